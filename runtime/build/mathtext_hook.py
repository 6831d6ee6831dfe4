# Appended by fonts.py to matplotlib/_mathtext.py in the tree.
#
# Text that contains a formula ("温度 $T$") is drawn by another part of matplotlib, which has no fallback: a letter of a
# script that the mathematical fonts lack is taken from the fonts that have it.


def _install_sandbox_scripts():
    get_glyph = UnicodeFonts._get_glyph
    # Ranges in which the mathematical fonts have letters and symbols of their own.
    mathematical = [(0, 0x8FF), (0x1D00, 0x2E7F), (0xD800, 0xF8FF), (0x1D400, 0x1D7FF)]

    @functools.wraps(get_glyph)
    def _get_glyph(self, fontname, font_class, sym):
        code = ord(sym) if len(sym) == 1 else 0
        if not any(first <= code <= last for first, last in mathematical):
            for path in fontManager._find_fonts_by_props(self.default_font_prop)[1:]:
                font = get_font(path)
                if font.get_char_index(code):
                    return font, code, False
        return get_glyph(self, fontname, font_class, sym)

    UnicodeFonts._get_glyph = _get_glyph


_install_sandbox_scripts()
