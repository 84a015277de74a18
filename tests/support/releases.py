"""The releases of which a site is upgraded."""

#: The commit of each released version, oldest first.
RELEASES = {
    "0.1.0": "2c7b808dddc0988c8d8f18581814a663384cdd76",
    "0.2.0": "f0f0e94bfc8f8b143a53200da287b0c08591a03d",
}
