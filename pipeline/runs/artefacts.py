"""Names of the files in a cell's folder."""

OOF = "oof.csv"  # predictions of the validated rows
TEST = "test.csv"  # predictions of the test rows
OTHERS = "others.csv"  # predictions of the training rows that are only trained on, where there are some
CONTRIBUTIONS = "contributions.csv"  # baseline: the n-grams that moved each validated row most
HISTORY = "history.csv"  # one row for each epoch
HANDED_ON = "handed_on.csv"  # stage 1: predictions of the validated rows by the weights that stage 2 starts from
MODEL = "model.json"  # stage 1: dimensions of the encoder and the kind of label
HEAD = "head.safetensors"  # stage 2: the head's weights; the encoder's are stage 1's
EXAMPLES = "examples.csv"  # stage 0: held-out texts with what the model puts in their blanks
BLEND = "blend.json"  # blend: members, weights, methods and their scores
HUGGING_FACE, GOOGLE = "huggingface", "google"  # stage 0: folders, the encoder in both formats


def weights(epoch: str) -> str:
    """Stage 1: all weights after an epoch, "last" or "best"."""
    return f"weights_{epoch}.safetensors"
