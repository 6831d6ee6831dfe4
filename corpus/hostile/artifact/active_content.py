#! class: artifact
#! attack: artifacts that run when a browser shows them: the download must be forced
#! validator: accepts
#! expect artifacts: image.svg, notes.xhtml, page.html, script.js
#! expect stdout: done
from pathlib import Path

Path("page.html").write_text("<script>document.title = 'ran'</script>\n")
Path("image.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n')
Path("notes.xhtml").write_text('<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>\n')
Path("script.js").write_text("alert(1)\n")
print("done")
