"""Eight of the most frequent function words by language, for rules that ask a text for stop words."""

STOP_WORDS = {
    "de": ("der", "die", "und", "zu", "ist", "das", "nicht", "mit"),
    "en": ("the", "be", "to", "of", "and", "that", "have", "with"),
    "es": ("el", "la", "de", "que", "y", "en", "los", "con"),
    "fr": ("le", "la", "de", "et", "les", "que", "est", "dans"),
    "it": ("il", "la", "di", "che", "e", "un", "per", "non"),
    "nl": ("de", "het", "een", "van", "en", "is", "dat", "niet"),
    "pl": ("i", "w", "na", "nie", "się", "z", "do", "że"),
    "pt": ("o", "a", "de", "que", "e", "do", "em", "com"),
    "ru": ("и", "в", "не", "на", "что", "с", "как", "по"),
    "sv": ("och", "att", "det", "i", "en", "som", "är", "med"),
}
