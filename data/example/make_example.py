"""Make the bundled toy competition: restaurant snippets that are, or are not, fit to recommend a dish.

Run it from anywhere; it writes train.csv, test.csv and sample_submission.csv next to itself:

    python data/example/make_example.py

Label 1: the snippet names a dish and says what is good about it (texture, taste, freshness).
Label 0: everything else - vague praise, complaints, lukewarm or service and price remarks, and the hard
cases, which speak of the same dishes with the same words turned round ("烤鱼一点都不嫩").

Every snippet is put together from the word lists below; none is taken from a real review. The tables are
a pure function of SEED: the same seed gives the same bytes.
"""

import csv
import random
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SEED = 2024
TRAIN_ROWS, TEST_ROWS = 2000, 500
REPEATS = 160  # rows that repeat an earlier text, within a file or across the two
NOISE = 0.064  # share of labels turned over in each file, as many of either class
MIN_CHARS, MAX_CHARS = 5, 20


class Kind(NamedTuple):
    """Dishes that can be described with the same words."""

    dishes: list[str]
    good: list[str]  # adjectives, as in 很嫩 / 不够嫩
    bad: list[str]  # adjectives, as in 有点柴 / 一点都不柴
    praise: list[str]  # predicates that stand on their own
    verb: str  # what one does with it


def kind(dishes: str, good: str, bad: str, praise: str, verb: str = "吃") -> Kind:
    return Kind(dishes.split(), good.split(), bad.split(), praise.split(), verb)


# fmt: off
KINDS = [
    kind("烤羊排 羊肉串 烤羊腿 红柳烤肉", "嫩 香 入味", "柴 膻 咸 老",
         "外焦里嫩 滋滋冒油 焦香四溢 火候刚刚好 孜然味十足"),
    kind("烤鸡翅 炸鸡 烤鸭 脆皮乳鸽 烧鹅", "嫩 香 多汁 入味", "柴 油 腻 咸",
         "外酥里嫩 皮脆肉嫩 一咬就爆汁 肉汁饱满"),
    kind("3分熟牛排 5分熟牛排 M5和牛 战斧牛排", "嫩 香 多汁", "柴 老 硬",
         "肉汁锁得住 外焦里嫩 入口即化 火候刚刚好 肉香很足"),
    kind("烤鱼 酸菜鱼 水煮鱼 清蒸鲈鱼 豆花鱼 剁椒鱼头", "嫩 鲜 入味 滑", "腥 咸 柴 老",
         "肉厚刺少 鱼肉滑嫩 鲜掉眉毛 汤汁能拌三碗饭 蒜瓣肉厚实"),
    kind("蒜蓉生蚝 蒸扇贝 白灼虾 小龙虾 梭子蟹 椒盐皮皮虾", "鲜 肥 甜 饱满", "腥 咸 老",
         "鲜甜弹牙 个大肉肥 肉质紧实 现捞现做 鲜得想嗦手指"),
    kind("毛肚 鸭肠 黄喉 千层肚 百叶", "脆 新鲜 爽口", "老 腥 硬",
         "七上八下刚刚好 脆得咔咔响 洗得干净没异味 涮15秒就脆 嚼着嘎嘣脆"),
    kind("肥牛 雪花牛肉 手切羊肉 肥羊卷 嫩牛肉", "嫩 香 新鲜", "柴 老 腥",
         "入口即化 涮8秒刚刚好 现切现上 肉香直冲脑门 蘸料都嫌多余"),
    kind("红烧肉 东坡肉 梅菜扣肉 卤猪蹄 酱肘子", "香 糯 入味 软烂", "腻 咸 油",
         "肥而不腻 入口即化 酱香浓郁 炖得软糯 一抿就化"),
    kind("小笼包 生煎包 虾饺 锅贴 灌汤包 鲜肉馄饨", "鲜 香 多汁", "油 腻 咸",
         "皮薄馅大 一口爆汁 汤汁鲜甜 馅料扎实 现包现做"),
    kind("牛肉面 担担面 油泼面 刀削面 热干面 豚骨拉面", "劲道 香 入味", "咸 油 软",
         "越嚼越香 根根劲道 配料给得足又香 嗦得停不下来"),
    kind("双皮奶 巴斯克 提拉米苏 蛋挞 榴莲千层 舒芙蕾", "香 细腻 绵密", "甜 腻 齁",
         "甜而不腻 奶香浓郁 入口即化 奶味醇厚 用料实在"),
    kind("老鸭汤 菌菇汤 羊肉汤 椰子鸡汤 番茄锅底", "鲜 浓 香", "咸 油 腻",
         "鲜掉眉毛 越喝越鲜 浓而不腻 熬得够火候 喝完浑身暖和", "喝"),
    kind("地三鲜 干煸豆角 麻婆豆腐 手撕包菜 鱼香茄子", "香 入味 下饭", "油 咸 腻",
         "锅气十足 汤汁都能拌饭 一盘干掉两碗饭 火候刚刚好"),
]
# fmt: on

# Frames, parted by "|". {d} a dish, {D} a dish that may carry an opener, {g} {h} good and {b} {c} bad
# adjectives, {p} a praise, {v} an adverb, {x} a negation, {e} eat or drink, {n} a number.
# Nearly every good frame has a twin that uses the same characters to say the opposite.
GOOD_FRAMES = """
{D}{p}|{D}{p}|{D}{p}|{D}{v}{g}|{D}{v}{g}|{D}又{g}又{h}|{D}{v}{g}，{p}|{d}必点，{p}|{D}除了{g}还是{g}
{D}{x}{b}|{D}{x}{b}|{D}不{b}也不{c}|{D}{x}{b}，{v}{g}|{D}没有想象中{b}，{v}{g}|{D}没以前{b}了，{v}{g}
{D}不但不{b}，还{v}{g}|{d}哪里{b}了？{v}{g}|{d}{b}？没有的事，{v}{g}|{d}{b}是{b}了点，架不住{g}
{d}比上次{g}多了|{d}比隔壁家{g}多了|隔壁的{d}没这家{g}|隔壁的{d}比这{b}多了|{d}不比隔壁差，{p}
没{e}过更{g}的{d}|从没{e}过这么{g}的{d}|谁说{d}{b}？明明{v}{g}|谁说{d}不{g}？{p}
以为{d}会{b}，结果{v}{g}|以为{d}不{g}，结果{p}|本来怕{d}{b}，其实{v}{g}|{d}看着{b}，{e}着{v}{g}
{d}上次{b}，这次{v}{g}|{d}以前{b}，现在{g}|朋友嫌{d}{b}，我觉得{v}{g}|不愧是招牌，{d}{v}{g}
排队也值，{d}{p}|难怪排队，{d}{v}{g}|地方难找，{d}却{v}{g}|服务一般，但{d}{p}|外卖{d}也不{b}
"""
TWIN_FRAMES = """
{D}有点{b}|{D}{v}{b}|{D}{v}{b}|{D}又{b}又{c}|{D}偏{b}，不推荐|{d}别点，{v}{b}|{D}除了{b}还是{b}
{D}{x}{g}|{D}{x}{g}|{D}不{g}也不{h}|{D}{x}{g}，{v}{b}|{D}没有想象中{g}，{v}{b}|{D}没以前{g}了，{v}{b}
{D}不但不{g}，还{v}{b}|{d}哪里{g}了？{v}{b}|{d}{g}？没有的事，{v}{b}|{d}{g}归{g}，就是{b}了点
{d}不如上次{g}|{d}比隔壁家{b}多了|隔壁的{d}没这家{b}|隔壁的{d}比这{g}多了|{d}比隔壁差，{v}{b}
{e}过更{g}的{d}|从没{e}过这么{b}的{d}|谁说{d}{g}？明明{v}{b}|谁说{d}不{b}？又{b}又{c}
以为{d}会{g}，结果{v}{b}|以为{d}{p}，结果{v}{b}|本来图{d}{g}，其实{v}{b}|{d}看着{g}，{e}着{v}{b}
{d}上次{g}，这次{v}{b}|{d}以前{g}，现在{b}|朋友夸{d}{g}，我觉得{v}{b}|还说是招牌，{d}{v}{b}
排队不值，{d}不{g}|难怪没人，{d}{v}{b}|环境不错，{d}却{v}{b}|服务热情，但{d}{v}{b}|外卖{d}就不{g}了
{D}不怎么{g}|{D}不够{g}|{D}算不上{g}|{D}要是再{g}点就好了|{d}说好的{p}呢
都说{d}{p}，没{e}出来|听说{d}{p}，{e}了个寂寞|{d}号称{p}，实则{v}{b}|{d}{p}？不存在的
"""
DISH_FRAMES = """
{D}好{e}|{D}不错|{D}挺好{e}的|{D}还可以|{D}味道可以|{D}一般般|{D}中规中矩|{D}还行吧|{D}没什么特色
{D}无功无过|{D}没啥记忆点|{D}普普通通|{D}{e}不出惊喜|{D}名气比味道大|{D}不踩雷|{D}就那样
{d}卖完了，没{e}上|{d}{n}元一份|{d}等了{n}分钟|{d}涨价了|点了{d}，{n}元|{d}分量有点少|{d}上错了，换了一份
{d}催了三次才上|{d}团购只要{n}元|外卖{d}送漏了|{d}拍照挺上镜|下次想试试{d}|冲着{d}来的，没开门
"""
OPENERS = ["", "", "", "", "他家", "这家的", "招牌", "新出的", "必点的", "现做的", "朋友点的", "网红"]
ADVERBS = ["很", "真", "挺", "超", "特别", "相当", "蛮"]
NEGATIONS = ["一点都不", "一点也不", "完全不", "真的不", "半点都不"]

# Remarks with no dish: (subjects, predicates) joined freely, one or two to a snippet, and an ending.
VAGUE = [
    ("味道 口味 菜品 出品 整体", "不错 挺好 很赞 还可以 没得说 在线 稳定 超出预期 好得没话说"),
    ("这家店 他家 这里", "值得来 挺好的 没踩雷 从没让人失望 是我的食堂 吃过好几次了 爱了爱了"),
]
REMARKS = [
    ("味道 口味 菜品 出品", "一般 不行 退步了 让人失望 配不上名气 对不起排队 忽高忽低"),
    ("服务员 老板娘 前台小哥", "很热情 爱搭不理 态度不错 叫半天不应 笑眯眯的 忙不过来"),
    ("上菜 出餐", "挺快的 有点慢 等了40分钟 全凭缘分"),
    ("环境 店里 包间", "挺干净 有点吵 偏小 装修好看 适合聚会 空调太冷"),
    ("停车", "不方便 要碰运气 要收费 还算方便"),
    ("排队", "太久了 叫号很乱 至少半小时 比吃饭还累"),
    ("价格 人均 团购套餐", "偏贵 挺实惠 涨了不少 比别家贵 还算划算"),
]
PLAIN_ENDS = ["", "", "", "", "", "", "！", "。", "～", "，真的", "，绝了", "哈哈"]
HAPPY_ENDS = [*PLAIN_ENDS, "😋", "👍", "，yyds"]
VAGUE_ENDS = [*HAPPY_ENDS, "，下次还来", "，会回购", "，推荐"]


def split_frames(block: str) -> list[str]:
    return block.strip().replace("\n", "|").split("|")


def fill(rng: random.Random, frames: list[str]) -> str:
    """A frame with its slots filled from one kind of dish."""
    frame, k = rng.choice(frames), rng.choice(KINDS)
    dish = rng.choice(k.dishes)
    g, h = rng.sample(k.good, 2)
    b, c = rng.sample(k.bad, 2)
    return frame.format(
        d=dish,
        D=rng.choice(OPENERS) + dish,
        g=g,
        h=h,
        b=b,
        c=c,
        p=rng.choice(k.praise),
        e=k.verb,
        v=rng.choice(ADVERBS),
        x=rng.choice(NEGATIONS),
        n=rng.choice([18, 28, 38, 48, 58, 68]),
    )


def remark(rng: random.Random, groups: list[tuple[str, str]]) -> str:
    """One or two clauses that name no dish, each from another group."""
    chosen = rng.sample(groups, rng.randint(1, 2))
    return "，".join(rng.choice(subjects.split()) + rng.choice(said.split()) for subjects, said in chosen)


def snippet(rng: random.Random, label: int) -> str:
    if label == 1:
        return fill(rng, split_frames(GOOD_FRAMES)) + rng.choice(HAPPY_ENDS)
    family = rng.choices(["twin", "dish", "vague", "service"], weights=[60, 18, 11, 11])[0]
    if family == "twin":
        return fill(rng, split_frames(TWIN_FRAMES)) + rng.choice(PLAIN_ENDS)
    if family == "dish":
        return fill(rng, split_frames(DISH_FRAMES)) + rng.choice(PLAIN_ENDS)
    if family == "vague":
        return remark(rng, VAGUE) + rng.choice(VAGUE_ENDS)
    return remark(rng, REMARKS) + rng.choice(PLAIN_ENDS)


def make_rows(rng: random.Random) -> list[tuple[str, int]]:
    """(text, label) for every row of both files: distinct texts, then repeats, then wrong labels."""
    total = TRAIN_ROWS + TEST_ROWS
    labels: dict[str, int] = {}
    while len(labels) < total - REPEATS:
        label = int(len(labels) % 3 == 0)  # one positive to two negatives
        text = snippet(rng, label)
        if MIN_CHARS <= len(text) <= MAX_CHARS:
            labels.setdefault(text, label)  # the first label of a text stands
    rows = list(labels.items())
    rows += rng.choices(rows, k=REPEATS)
    rng.shuffle(rows)
    return with_noise(rng, rows[:TRAIN_ROWS]) + with_noise(rng, rows[TRAIN_ROWS:])


def with_noise(rng: random.Random, rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The rows with equally many labels of both classes turned over, so that the class shares stay."""
    flipped: set[int] = set()
    for label in (0, 1):
        of_label = [i for i, row in enumerate(rows) if row[1] == label]
        flipped.update(rng.sample(of_label, round(len(rows) * NOISE / 2)))
    return [(text, 1 - label if i in flipped else label) for i, (text, label) in enumerate(rows)]


def write(path: Path, header: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    here = Path(__file__).resolve().parent
    rows = [(f"r{i:04d}", text, label) for i, (text, label) in enumerate(make_rows(random.Random(SEED)), 1)]
    train, test = rows[:TRAIN_ROWS], rows[TRAIN_ROWS:]
    write(here / "train.csv", ["id", "content", "label"], train)
    write(here / "test.csv", ["id", "content"], (row[:2] for row in test))
    write(here / "sample_submission.csv", ["ID", "Prediction"], ((row[0], 0.5) for row in test))


if __name__ == "__main__":
    main()
