def parse(text):
    found = {}
    for line in text.splitlines():
        if "=" in line:
            key, _, value = line.partition("=")
            found[key.strip()] = value.strip().split() if " " in value.strip() else value.strip()
    return found
