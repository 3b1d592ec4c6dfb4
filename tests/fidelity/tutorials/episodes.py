"""Metaflow's tutorials, episodes 0 to 5, written as notebooks.

What the flows do, and the names of flows, steps, parameters and artifacts, are
Metaflow's (``metaflow/tutorials``, 2.19.39); the code is ours, in the notebook's own way of writing.
"""

from __future__ import annotations

__all__ = ["EDIT_DISTANCE", "HELLO", "HELLO_CLOUD", "PLAYLIST", "PLAYLIST_PLUS", "PLAYLIST_REDUX", "STATISTICS"]

HELLO = (
    "%load_ext flownb",
    '%%flow HelloFlow\n"""Three steps in a row that say hello."""',
    "%%step start\nprint('HelloFlow is starting.')",
    "%%step hello\nprint('Metaflow says: Hi!')",
    "%%step end\nprint('HelloFlow is all done.')",
)

GENRE = "genre = Parameter('genre', default='Sci-Fi', help='movies of this genre')"
RECOMMENDATIONS = "recommendations = Parameter('recommendations', default=5, help='how many movies to show')"
MOVIE_DATA = "movie_data = IncludeFile('movie_data', default='movies.csv', help='a file of movies')"

JOIN = (
    "%%step join --after bonus_movie,genre_movies --join -> playlist, bonus\n"
    "playlist = inputs.genre_movies.movies\n"
    "bonus = inputs.bonus_movie.bonus"
)
SHOW = (
    "%%step end\n"
    "print(f'Playlist for {genre}')\n"
    "for pick, movie in enumerate(playlist[:recommendations], start=1):\n"
    "    print(f'Pick {pick}: {movie}')\n"
    "title, genres = bonus\n"
    "print(f'Bonus: {title} ({genres})')"
)

PLAYLIST = (
    "%load_ext flownb",
    f'%%flow PlayListFlow\n"""A playlist of one genre, and a movie of another."""\n\n'
    f"{MOVIE_DATA}\n{GENRE}\n{RECOMMENDATIONS}",
    "%%step start -> dataframe\n"
    "import csv\n\n"
    "rows = list(csv.DictReader(movie_data.splitlines()))\n"
    "dataframe = {column: [row[column] for row in rows] for column in ('movie_title', 'genres')}",
    "# scratch: nothing of this reaches a step\nlen(dataframe['genres'])",
    "%%step bonus_movie --after start -> bonus\n"
    "import random\n\n"
    "wanted = genre.lower()\n"
    "pairs = zip(dataframe['movie_title'], dataframe['genres'], strict=True)\n"
    "bonus = random.choice([pair for pair in pairs if wanted not in pair[1].lower()])",
    "%%step genre_movies --after start -> movies\n"
    "import random\n\n"
    "wanted = genre.lower()\n"
    "pairs = zip(dataframe['movie_title'], dataframe['genres'], strict=True)\n"
    "movies = [title for title, genres in pairs if wanted in genres.lower()]\n"
    "random.shuffle(movies)",
    JOIN,
    SHOW,
)

STATISTICS = (
    "%load_ext flownb",
    f'%%flow MovieStatsFlow\n"""Statistics of the takings of movies, genre by genre."""\n\n{MOVIE_DATA}',
    "%%shared\n"
    "def quartile(ordered, part):\n"
    '    """The value at a part of an ordered list."""\n'
    "    return ordered[round(len(ordered) * part) if len(ordered) > 1 else 0]",
    "%%step start -> dataframe, genres\n"
    "import csv\n\n"
    "rows = list(csv.DictReader(movie_data.splitlines()))\n"
    "kinds = {'movie_title': str, 'title_year': int, 'genres': str, 'gross': int}\n"
    "dataframe = {column: [kind(row[column]) for row in rows] for column, kind in kinds.items()}\n"
    "genres = sorted({genre for text in dataframe['genres'] for genre in text.split('|')})",
    "%%step compute_statistics --foreach genres -> genre, dataframe, quartiles\n"
    "genre = self.input\n"
    "print(f'Statistics of {genre}')\n"
    "places = [place for place, text in enumerate(dataframe['genres']) if genre in text]\n"
    "places.sort(key=lambda place: dataframe['gross'][place])\n"
    "kept = ('movie_title', 'genres', 'gross')\n"
    "dataframe = {column: [dataframe[column][place] for place in places] for column in kept}\n"
    "quartiles = [quartile(dataframe['gross'], part) for part in (0.25, 0.5, 0.75)]",
    "%%step join --join -> genre_stats\n"
    "genre_stats = {}\n"
    "for task in inputs:\n"
    "    genre_stats[task.genre.lower()] = {'quartiles': task.quartiles, 'dataframe': task.dataframe}",
    "%%step end\npass",
)

FROM_STATISTICS = (
    "from metaflow import Flow, get_metadata\n\n"
    "print(f'metadata: {get_metadata()}')\n"
    "run = Flow('MovieStatsFlow').latest_successful_run\n"
    "print(f'statistics: {run.pathspec}')\n"
    "genre_stats = run.data.genre_stats"
)
TOP = (
    "%%step genre_movies --after start -> movies\n"
    "import random\n\n"
    "movies = []\n"
    "if genre.lower() in genre_stats:\n"
    "    found = genre_stats[genre.lower()]\n"
    "    frame = found['dataframe']\n"
    "    pairs = zip(frame['movie_title'], frame['gross'], strict=True)\n"
    "    movies = [title for title, gross in pairs if gross >= found['quartiles'][-1]]\n"
    "random.shuffle(movies)"
)

PLAYLIST_REDUX = (
    "%load_ext flownb",
    f'%%flow PlayListFlow\n"""A playlist of the best movies, by another flow\'s statistics."""\n\n'
    f"{GENRE}\n{RECOMMENDATIONS}",
    f"%%step start -> genre_stats\n{FROM_STATISTICS}",
    "%%step bonus_movie --after start -> bonus\n"
    "import random\n\n"
    "wanted = genre.lower()\n"
    "frames = [found['dataframe'] for name, found in genre_stats.items() if name != wanted]\n"
    "pairs = [pair for frame in frames for pair in zip(frame['movie_title'], frame['genres'], strict=True)]\n"
    "bonus = random.choice([pair for pair in pairs if wanted not in pair[1].lower()])",
    TOP,
    JOIN,
    SHOW,
)

PLAYLIST_PLUS = (
    "%load_ext flownb",
    '%%flow PlayListFlow\n@conda_base(python="3.11")\n"""A playlist whose bonus is the movie most like a hint."""\n\n'
    f"{GENRE}\nhint = Parameter('hint', default='Metaflow Release', help='a title to come near to')\n{RECOMMENDATIONS}",
    f"%%step start -> dataframe, genre_stats\n{FROM_STATISTICS}\ndataframe = run['start'].task.data.dataframe",
    "%%step bonus_movie --after start -> bonus\n"
    '@conda(libraries={"editdistance": "0.5.3"})\n'
    "import editdistance\n\n"
    "distances = [editdistance.eval(hint, title) for title in dataframe['movie_title']]\n"
    "nearest = distances.index(min(distances))\n"
    "bonus = (dataframe['movie_title'][nearest], dataframe['genres'][nearest])",
    TOP,
    JOIN,
    SHOW,
)

# Stands for the package that @conda would install; beside the notebook, where `import` finds it.
EDIT_DISTANCE = '''\
"""How many letters must be put in, left out or changed to make one text of another."""


def eval(a, b):
    """The edit distance of two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(before + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]
'''

HELLO_CLOUD = (
    "%load_ext flownb",
    '%%flow HelloCloudFlow\n"""Says hello from a machine somewhere else."""',
    "%%step start\n"
    "from metaflow import get_metadata\n\n"
    "print('HelloCloud is starting.')\n"
    "print(f'metadata: {get_metadata()}')",
    "%%step hello -> message\n"
    "@kubernetes(cpu=1, memory=500)\n"
    "@retry(times=2, minutes_between_retries=0)\n"
    "from metaflow import current\n\n"
    "if current.retry_count < 1:\n"
    "    raise ConnectionError('the cloud is not there yet')\n"
    "message = 'Hi from the cloud!'\n"
    "print(f'Metaflow says: {message}')",
    "%%step end\nprint('HelloCloud is finished.')",
)
