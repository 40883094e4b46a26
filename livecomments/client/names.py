"""Names for authors who have only an id. Pure."""

import hashlib

ADJECTIVES = (
    "amber", "brave", "calm", "clever", "cosmic", "curious", "dapper", "dizzy", "early", "electric",
    "fancy", "fuzzy", "gentle", "golden", "happy", "humble", "icy", "jolly", "keen", "lazy", "lucky",
    "lunar", "mellow", "mighty", "misty", "neon", "nimble", "noisy", "odd", "pixel", "plucky", "quiet",
    "quick", "rainy", "rosy", "rusty", "salty", "sleepy", "sly", "snowy", "spicy", "sunny", "swift", "tidy",
    "tiny", "velvet", "wild", "witty", "zesty", "zippy",
)  # fmt: skip
NOUNS = (
    "acorn", "badger", "bagel", "beetle", "biscuit", "cactus", "cloud", "comet", "crane", "dolphin",
    "falcon", "fern", "fox", "gecko", "ginger", "hare", "heron", "iris", "jackal", "kettle", "kiwi",
    "koala", "lantern", "lemon", "lynx", "mango", "maple", "marlin", "moth", "newt", "noodle", "oak",
    "otter", "owl", "panda", "pebble", "pepper", "pickle", "puffin", "quokka", "radish", "raven", "river",
    "robin", "sparrow", "tulip", "walrus", "waffle", "willow", "yak",
)  # fmt: skip
STYLES = ("{a}{n}", "{a}_{n}", "{A}{N}", "{n}{d}", "{a}{n}{d}", "{N}_{d}", "{a}.{n}", "the{a}{n}")


def name_of(user: str) -> str:
    """Return a readable name, the same for the same id everywhere; two ids may share one."""
    seed = int.from_bytes(hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    seed, a = divmod(seed, len(ADJECTIVES))
    seed, n = divmod(seed, len(NOUNS))
    seed, style = divmod(seed, len(STYLES))
    adjective, noun = ADJECTIVES[a], NOUNS[n]
    return STYLES[style].format(
        a=adjective, n=noun, A=adjective.capitalize(), N=noun.capitalize(), d=seed % 98 + 2
    )
