import sys

print(*(word.upper() + "!" for word in sys.argv[1:]))
