"""The look of a card's page.

Takes nothing; gives one style sheet. Colours are variables, set once for light and once for dark; text columns are as
wide as is good to read, tables and pictures as wide as they need.
"""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root{--ink:#1b1f24;--soft:#5f6873;--line:#e3e7eb;--strong:#c9d0d7;--paper:#fff;--code:#f3f5f7;--link:#0b62c4;
--bad:#9b1c1c;--badpaper:#fdf3f2;--badline:#f0c6c2;--mark:#7a5200;--markpaper:#fff6dc}
@media (prefers-color-scheme:dark){:root{--ink:#e4e7ea;--soft:#98a1ab;--line:#2b3138;--strong:#434b54;--paper:#14171a;
--code:#20252a;--link:#71b1ff;--bad:#ffb4ab;--badpaper:#2c1a19;--badline:#5c2c28;--mark:#f0cf7f;--markpaper:#322a14}}
*{box-sizing:border-box}
html{background:var(--paper);-webkit-text-size-adjust:100%}
body{margin:0;padding:1.1rem 1.4rem 1.3rem;color:var(--ink);background:var(--paper);font:15px/1.6 ui-sans-serif,
system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",Arial,sans-serif;overflow-wrap:break-word;
font-variant-numeric:lining-nums;text-rendering:optimizeLegibility}
header{display:flex;align-items:baseline;gap:.7rem;margin:0 0 .9rem;font-size:12px;line-height:1.5;color:var(--soft)}
header .of{letter-spacing:.02em}
header .mark{padding:.05rem .5rem;border-radius:1rem;color:var(--mark);background:var(--markpaper)}
article+article{margin-top:1.6rem;padding-top:1.4rem;border-top:1px solid var(--strong)}
.id{margin:0 0 .6rem;font-size:12px;color:var(--soft)}
article>:first-child,.markdown>:first-child{margin-top:0}
article>:last-child,.markdown>:last-child{margin-bottom:0}
.markdown{margin:0 0 1.1rem;max-width:46rem}
h1,h2,h3,h4,h5,h6{margin:1.5em 0 .5em;line-height:1.25;font-weight:650;letter-spacing:-.012em;text-wrap:balance}
h1{font-size:1.65rem;letter-spacing:-.02em}h2{font-size:1.28rem}h3{font-size:1.08rem}h4,h5,h6{font-size:1rem}
h5,h6{color:var(--soft)}
p,ul,ol,pre,blockquote{margin:0 0 .85em}
ul,ol{padding-left:1.4em}li+li{margin-top:.2em}li>ul,li>ol{margin:.2em 0 0}
a{color:var(--link);text-decoration-thickness:.06em;text-underline-offset:.16em}
code,pre,.preview{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.87em}
code{padding:.12em .34em;border-radius:4px;background:var(--code)}
pre{padding:.75rem .9rem;overflow-x:auto;border-radius:6px;background:var(--code);line-height:1.5}
pre code{padding:0;background:none;font-size:1em}
blockquote{padding:0 0 0 .95rem;border-left:3px solid var(--strong);color:var(--soft)}
blockquote>:last-child{margin-bottom:0}
hr{height:1px;margin:1.4rem 0;border:0;background:var(--line)}
figure{margin:0 0 1.2rem}
figcaption{margin-top:.45rem;font-size:13px;color:var(--soft)}
img{display:block;max-width:100%;height:auto;border-radius:6px;background:#fff}
.markdown img{display:inline-block}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;line-height:1.45}
.markdown table{display:block;overflow-x:auto;margin:0 0 .85em}
th,td{padding:.36rem 1.1rem .36rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:.2rem}
thead th{border-bottom:1px solid var(--strong);font-weight:600;color:var(--soft);white-space:nowrap;
vertical-align:bottom}
tbody tr:last-child>*{border-bottom-color:var(--strong)}
.n{text-align:right;font-variant-numeric:lining-nums tabular-nums;white-space:nowrap}
td figure,td .markdown{margin:0}td .markdown{max-width:26rem}td p:last-child{margin-bottom:0}
td img{max-height:14rem;width:auto}
.facts{margin:1.5rem 0 0}
.facts h2{margin:0 0 .25rem;font-size:12px;font-weight:600;letter-spacing:.02em;color:var(--soft)}
.facts table{width:100%;font-size:13px}
.facts tbody tr:first-child>*{border-top:1px solid var(--strong)}
.facts th{min-width:7rem;font-weight:400;white-space:nowrap}.facts code{padding:0;background:none;font-size:12.5px}
.facts .kind{min-width:10rem;white-space:nowrap;color:var(--soft)}.facts .n{min-width:6rem;color:var(--soft);
padding-right:1.4rem}
.preview{width:100%;font-size:12px;line-height:1.55;color:var(--soft);overflow-wrap:anywhere}
.error{padding:.6rem .85rem;border:1px solid var(--badline);border-radius:6px;color:var(--bad);
background:var(--badpaper);font-size:14px}
.error span{display:block;margin-top:.15rem;font-size:13px;white-space:pre-wrap}
.note{color:var(--soft);font-size:14px;font-style:italic}
@media (max-width:640px){body{padding:.9rem 1rem 1.1rem}.facts tr{display:flex;flex-wrap:wrap;gap:0 .9rem;
padding:.3rem 0;border-bottom:1px solid var(--line)}
.facts th,.facts td{padding:0;border:0!important;min-width:0!important}
.preview{flex-basis:100%}}
@media print{body{padding:0;font-size:10.5pt}figure,tr,.error{break-inside:avoid}h1,h2,h3{break-after:avoid}
.wide,.markdown table{overflow:visible}a{color:inherit}}
""".replace("\n", "")
