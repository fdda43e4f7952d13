"""English prose that passes FineWeb's rules, different for every number."""

import html
import random

_SENTENCES = [
    "The ferry leaves the quay before sunrise and comes back with the evening tide.",
    "My grandmother kept her letters in a biscuit tin behind the stove.",
    "Every spring the river carries a little more of the field towards the sea.",
    "He had learned to mend nets from his uncle and never forgot the knots.",
    "The library stays open late on Thursdays because the baker likes to read.",
    "A good map leaves out nearly everything and is right about the rest.",
    "Nobody in the village remembers who planted the walnut tree by the bridge.",
    "The clock in the tower has been four minutes slow since the flood.",
    "She counted the swallows on the wire and wrote the number in her diary.",
    "When the wind turns north the whole street smells of bread and smoke.",
    "The old road follows the ridge because the valley was once a marsh.",
    "They built the school from stones that the glacier had left behind.",
    "Rain fell for eleven days and then the hills were suddenly green.",
    "The carpenter says that a straight board is a rumour that wood tells.",
    "In winter the children skate to the island and light a small fire there.",
    "It takes three people to lift the bell and one to ring it.",
    "The beekeeper moves slowly and talks to nobody until noon.",
    "A lighthouse is most useful to those who never come near it.",
    "The train was late so the orchestra played on the platform instead.",
    "You can tell the age of the hedge by counting the kinds of shrub in it.",
    "Her first telescope was made of cardboard and showed the moons of Jupiter.",
    "The miller measured time in sacks and distance in pipes of tobacco.",
    "After the harvest the whole valley gathers to argue about the weather.",
    "Some of the houses have been empty so long that foxes use the stairs.",
    "The doctor came on horseback and left with a basket of pears.",
    "There is a path through the reeds that only the heron seems to know.",
    "The teacher asked what a shadow weighs and waited for an answer.",
    "Salt was dearer than silver here until the railway came.",
    "The tailor kept a button from every coat that he had ever made.",
    "At low tide you can walk out to the wreck and touch the cold iron.",
    "The potter threw away the perfect bowl and kept the one that leaned.",
    "A stranger asked the way and stayed for forty years.",
    "The weaver worked by the window until the light was gone.",
    "No one had told the snow that it was already April.",
    "The bridge hums when the trams cross it and the pigeons do not mind.",
    "He wrote down every price for sixty years and never once complained.",
    "The orchard was planted in rows that point at the church.",
    "On clear nights the lamps of the fishing boats look like a second town.",
    "The cook believed in patience and in very sharp knives.",
    "The last page of the book was missing so we each made up our own.",
]


def text(number: int, *, sentences: int = 14) -> str:
    """Paragraphs of sentences in an order that belongs to this number; two texts share about a third of theirs."""
    chosen = random.Random(number).sample(_SENTENCES, sentences)
    return "\n\n".join(" ".join(chosen[at : at + 5]) for at in range(0, sentences, 5))


def page(content: str, *, title: str = "A page") -> bytes:
    """A page that holds the text, with a menu and a footer around it."""
    paragraphs = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in content.split("\n\n"))
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title></head><body>"
        "<nav><a href='/'>Home</a> <a href='/about'>About</a></nav>"
        f"<article><h1>{html.escape(title)}</h1>{paragraphs}</article>"
        "<footer>All rights reserved</footer></body></html>"
    ).encode()
