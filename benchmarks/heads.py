"""What a number of heads and an order give: length of the curve, bits gained, distance of its branches, tables of `boxes`.

    python -m benchmarks.heads

For INT8 heads of scale 1/256 and zero point -128, the cell-centred inset and uint16 results.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from hilbert_codegen.curves import ORDERS_OF, cell_inset, make_curve
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.spec.specification import Heads, Output, Spec

#: Orders of two heads that are shown.
SHOWN = range(2, 5)


def main() -> None:
    """Print the table."""
    print("| heads | order | length L | bits gained | half branch distance, codes | tables of `boxes`, bytes |")
    print("|---|---|---|---|---|---|")
    # `boxes` computes and does not look at the answers.
    none = np.zeros(0, np.int64)
    nothing = Ideal(none, none.astype(bool), none.astype(np.uint8), none, none.astype(np.float64))
    for count, orders in ORDERS_OF.items():
        for order in orders if count > 2 else SHOWN:
            curve, inset = make_curve("hilbert", order, dimensions=count), cell_inset(order)
            one = (Fraction(0), Fraction(1))
            heads = Heads("int8", "interleaved", (Fraction(1, 256),) * count, (-128,) * count, one)
            spec = Spec(curve, inset, heads, Output("uint16", (0, 65535)))
            length = float(curve.length(inset))
            size = "-"
            if count > 2:
                size = f"{STRATEGIES['boxes'].build(spec, nothing, False).portable.table_bytes:,}"
            bits = math.log2(length)
            print(f"| {count} | {order} | {length:.4g} | {bits:.1f} | {float(spec.pitch(0)) / 2:g} | {size} |")


if __name__ == "__main__":
    main()
