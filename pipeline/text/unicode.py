"""All of Unicode, for tables over every character."""

import sys

CODE_POINTS = sys.maxunicode + 1
SURROGATES = range(0xD800, 0xE000)  # no characters
