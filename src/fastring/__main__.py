"""`python -m fastring` is the `fastring` command."""

from fastring.cli import main

if __name__ == "__main__":
    main()
