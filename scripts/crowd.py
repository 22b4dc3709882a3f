"""What each of many clients notices on one engine, in simulated time: a table, with how far apart the clients are.

    python scripts/crowd.py [--engine digits-30s ...] [--clients 1 8 16 ...] [--seconds 120] [--seed 0]

Mean and 95th percentile in seconds, then the spread of the clients' means, (highest - lowest) / mean, and in brackets
the spread that chance makes: the median where the same utterances are dealt at random.
How it is simulated: tests/support/town.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from town import ENGINES, Figure, Town, chance_spread, means_s, spread

FIGURES: tuple[Figure, ...] = ("first_partial", "word_commit", "final", "text")


def row(town: Town) -> list[str]:
    """The cells of one table row."""
    cells = [str(len(town.clients) + town.refused), str(town.refused)]
    cells += [f"{town.load:.2f}", str(sum(client.busy_messages for client in town.clients))]
    noticed = town.noticed_s()
    for figure in FIGURES:
        by_client = noticed[figure]
        if not all(by_client):
            cells.append("—")
            continue
        seconds = [s for mine in by_client for utterance in mine for s in utterance]
        apart = f", {spread(means_s(by_client)):.2f} ({chance_spread(by_client):.2f})" if len(by_client) > 1 else ""
        cells.append(f"{np.mean(seconds):.2f} / {np.percentile(seconds, 95):.2f}{apart}")
    return cells


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=["digits-30s"])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 12, 16, 24, 32, 48])
    parser.add_argument("--seconds", type=float, default=120.0, help="that all of them speak")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--everybody", action="store_true", help="let everybody in, however full the engine is")
    arguments = parser.parse_args()
    heads = ["N", "told to come later", "load", "server_busy", *FIGURES]
    for name in arguments.engine:
        print(f"\n**{name}**\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
        for clients in arguments.clients:
            engine, admit = ENGINES[name], not arguments.everybody
            town = Town(clients, engine, arguments.seconds, seed=arguments.seed, admit=admit).live()
            print(f"| {' | '.join(row(town))} |", flush=True)


if __name__ == "__main__":
    main()
