"""Strings that try to be more than strings, and a model in which every string is one of them.

What runs sets `injected`, so that a test sees it whatever else it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LONG = "n" * 100_000 + "<script>injected=1</script>"
PAYLOADS = (
    "<script>injected=1</script>",
    "<ScRiPt >injected=1</sCrIpT\t>",
    '"><script>injected=1</script>',
    "'><script>injected=1</script>",
    "</title></head><body><script>injected=1</script>",
    "</style><script>injected=1</script>",
    "</textarea></script><script>injected=1</script>",
    "--><script>injected=1</script><!--",
    "]]><script>injected=1</script><![CDATA[",
    "<img src=x onerror=injected=1>",
    '" onmouseover="injected=1" autofocus onfocus="injected=1',
    "' onclick='injected=1",
    "x onload=injected=1 style=animation-name:x onanimationstart=injected=1",
    "<svg/onload=injected=1>",
    "<svg><animate onbegin=injected=1 attributeName=x dur=1s>",
    "<details open ontoggle=injected=1><summary>",
    "<iframe srcdoc='<script>parent.injected=1</script>'>",
    '<a href="javascript:injected=1">a</a>',
    "javascript:injected=1//",
    "data:text/html,<script>injected=1</script>",
    "<style>body{display:none}</style><link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'><base href=https://evil.example/>",
    "<form action=https://evil.example/><input name=a><button>",
    "</td></tr></table></section></main><h1>forged</h1>",
    "{{7*7}}${7*7}<%= 7*7 %>#{7*7}{% raw %}{# {{''.__class__}}",
    "&lt;script&gt;injected=1&lt;/script&gt;&amp;#60;&#x3c;script>&colon;",
    "\u202egnp.exe\u202c\u2066\u200f\u200b\ufeff\u2028\u2029",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;https://evil.example\x1b\\link\x9b2J",
    "null\0byte\x01\x08\x7f\x85",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    '@SUM(1+1)*HYPERLINK("https://evil.example")',
    "\t=1+1",
    "\r=1+1",
    '"=1+1\n=2+2',
    "a|b\\|c\\\\|| d",
    "line\nbreak\r\n\r\n# heading\n- list\n> quote\n***\n",
    "[link](javascript:injected=1) ![x](https://evil.example/x.png) <https://evil.example> [a]: https://evil.example",
    "``` `code` ``` ~~~ **bold** _soft_ ~~struck~~ @everyone #1 www.evil.example https://evil.example",
    "`</code><script>injected=1</script>`",
    "[bold red]x[/bold red][/] [link=https://evil.example]y[/link] :boom:",
    "../../../../etc/passwd",
    "%s%n%x {0} $(touch injected) `touch injected`",
    LONG,
)


def model(folder: Path, names: Sequence[str], *, many: bool = False) -> Path:
    """A chain of convs, one a name, in a file that is called `names[9]`; with `many`, an input, an output and an
    operator of every name besides, which onnxruntime does not run.
    """
    draw = np.random.default_rng(0)
    nodes, weights, last = [], [], f"x{names[0]}"
    for at, name in enumerate(names):
        weights.append(numpy_helper.from_array(draw.standard_normal((4, 4, 3, 3)).astype(np.float32) / 4, f"{name}.w"))
        nodes.append(helper.make_node("Conv", [last, f"{name}.w"], [f"{name}.y"], name, pads=[1, 1, 1, 1]))
        nodes[-1].doc_string = names[-at]
        last = f"{name}.y"
    sizes: list[str | int | None] = [names[0], 4, 6, 6]
    inputs = [helper.make_tensor_value_info(f"x{names[0]}", TensorProto.FLOAT, sizes, names[1])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name in (last, f"{names[2]}.y")]
    if many:
        inputs += [helper.make_tensor_value_info(f"in {name}", TensorProto.FLOAT, [1, 4]) for name in names]
        nodes += [helper.make_node(name, [f"in {name}"], [f"op {name}"], domain=name) for name in names]
        outputs += [helper.make_tensor_value_info(f"op {name}", TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, names[3], inputs, outputs, weights, doc_string=names[4])
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(name, 1) for name in names if many)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name=names[5])
    made.producer_version, made.domain, made.doc_string = names[6], names[7], names[8]
    helper.set_model_props(made, {name: name for name in names})
    path = folder / f"{names[9]}.onnx"
    onnx.save(made, path)
    return path
