from metaflow import FlowSpec, step, IncludeFile, Parameter


def script_path(filename):
    """
    A convenience function to get the absolute path to a file in this
    directory, wherever the flow is started from.

    """
    import os

    filepath = os.path.join(os.path.dirname(__file__))
    return os.path.join(filepath, filename)


class SongListFlow(FlowSpec):
    """
    A flow to choose songs of a genre, longest first.

    1) Read the songs from a CSV file.
    2) Choose those of the genre, and a song of another genre, in parallel.
    3) Join both and show them.

    """

    song_data = IncludeFile("song_data", help="The path to a file of songs.", default=script_path("songs.csv"))
    genre = Parameter("genre", help="Songs of this genre.", default="Jazz")
    recommendations = Parameter("recommendations", help="How many songs.", default=2)

    @step
    def start(self):
        """
        Parse the CSV file.

        """
        columns = ["title", "genre", "seconds"]
        self.dataframe = {column: list() for column in columns}
        for line in self.song_data.split("\n")[1:]:
            if line:
                for column, value in zip(columns, line.rsplit(",", 2)):
                    self.dataframe[column].append(value)
        self.next(self.bonus_song, self.genre_songs)

    @step
    def bonus_song(self):
        """
        The first song of another genre.

        """
        songs = [(t, g) for t, g in zip(self.dataframe["title"], self.dataframe["genre"]) if g != self.genre]
        self.bonus = songs[0]
        self.next(self.join)

    @step
    def genre_songs(self):
        selector = [g == self.genre for g in self.dataframe["genre"]]
        found = [
            (int(s), t) for s, t, take in zip(self.dataframe["seconds"], self.dataframe["title"], selector) if take
        ]
        self.songs = [title for _, title in sorted(found, reverse=True)]
        self.next(self.join)

    @step
    def join(self, inputs):
        """
        Join our parallel branches and merge results.

        """
        self.playlist = inputs.genre_songs.songs
        self.bonus = inputs.bonus_song.bonus
        self.next(self.end)

    @step
    def end(self):
        print("Playlist for songs in genre '%s'" % self.genre)
        for pick, song in enumerate(self.playlist, start=1):
            print("Pick %d: '%s'" % (pick, song))
            if pick >= self.recommendations:
                break
        print("Bonus: '%s' of '%s'" % self.bonus)


if __name__ == "__main__":
    SongListFlow()
