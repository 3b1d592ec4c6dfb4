"""Nine made-up movies, in the columns of the tutorials' movies.csv.

The file's text, and what can be worked out from it by hand.
"""

from __future__ import annotations

__all__ = ["GENRE_STATS", "MOVIES", "NOT_SCI_FI", "SCI_FI"]

MOVIES = """\
movie_title,title_year,genres,gross
The Lint Trap,1998,Comedy|Drama,120
Orbit of Paper,2004,Sci-Fi,900
Second Moon,2011,Sci-Fi|Drama,400
A Quiet Kernel,2015,Drama,75
Pickle Jar,2009,Comedy,310
The Long Foreach,2018,Sci-Fi|Mystery,650
"Join Me, There",2001,Comedy|Drama,55
Metaphor Release,2013,Comedy,210
Static Split,2020,Sci-Fi,150
"""

SCI_FI = {"Orbit of Paper", "Second Moon", "The Long Foreach", "Static Split"}
NOT_SCI_FI = {
    ("The Lint Trap", "Comedy|Drama"),
    ("A Quiet Kernel", "Drama"),
    ("Pickle Jar", "Comedy"),
    ("Join Me, There", "Comedy|Drama"),
    ("Metaphor Release", "Comedy"),
}

# The values at a quarter, a half and three quarters of the sorted takings, and the movies in that order.
GENRE_STATS = {
    "comedy": {
        "quartiles": [120, 210, 310],
        "dataframe": {
            "movie_title": ["Join Me, There", "The Lint Trap", "Metaphor Release", "Pickle Jar"],
            "genres": ["Comedy|Drama", "Comedy|Drama", "Comedy", "Comedy"],
            "gross": [55, 120, 210, 310],
        },
    },
    "drama": {
        "quartiles": [75, 120, 400],
        "dataframe": {
            "movie_title": ["Join Me, There", "A Quiet Kernel", "The Lint Trap", "Second Moon"],
            "genres": ["Comedy|Drama", "Drama", "Comedy|Drama", "Sci-Fi|Drama"],
            "gross": [55, 75, 120, 400],
        },
    },
    "mystery": {
        "quartiles": [650, 650, 650],
        "dataframe": {"movie_title": ["The Long Foreach"], "genres": ["Sci-Fi|Mystery"], "gross": [650]},
    },
    "sci-fi": {
        "quartiles": [400, 650, 900],
        "dataframe": {
            "movie_title": ["Static Split", "Second Moon", "The Long Foreach", "Orbit of Paper"],
            "genres": ["Sci-Fi", "Sci-Fi|Drama", "Sci-Fi|Mystery", "Sci-Fi"],
            "gross": [150, 400, 650, 900],
        },
    },
}
