# Appended by fonts.py to the end of matplotlib/font_manager.py in the tree.
#
# Every text falls back to fonts with the other scripts, whatever family the program, a style or `rcdefaults` selects:
# the fallback is not a setting, so nothing can reset it. matplotlib's log message about a missing family appears once
# per family, not with every text drawn.


def _install_sandbox_fonts():
    folder = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    fallbacks = [FontPath(os.path.join(folder, name), 0) for name in SANDBOX_FALLBACKS]
    find_fonts = FontManager._find_fonts_by_props
    find_font = FontManager._findfont_cached

    @functools.wraps(find_fonts)
    def _find_fonts_by_props(self, prop, fontext="ttf", directory=None, *args, **kwargs):
        found = find_fonts(self, prop, fontext, directory, *args, **kwargs)
        if fontext == "ttf" and directory is None:
            found += [font for font in fallbacks if font not in found]
        return found

    # The search examines every font for each text property. There are hundreds of names for the few fonts here, so it
    # gets a manager with only those of the wanted families; with any other it would find nothing.
    @functools.wraps(find_font)
    def _findfont_cached(self, prop, fontext, *args):
        fonts = self.ttflist if fontext != "afm" else self.afmlist
        wanted = set()
        for family in FontProperties._from_any(prop).get_family():
            wanted.add(family.lower())
            if family.lower() in font_family_aliases:
                wanted.update(map(str.lower, self._expand_aliases(family.lower())))
        key = (id(fonts), len(fonts), fontext, frozenset(wanted))
        if key not in narrowed:
            narrow = object.__new__(FontManager)
            vars(narrow).update(vars(self))
            chosen = [font for font in fonts if font.name.lower() in wanted]
            setattr(narrow, "afmlist" if fontext == "afm" else "ttflist", chosen)
            if len(narrowed) >= 64:
                narrowed.clear()
            # Keeps the list itself, as the id of a freed list could be reused in a key.
            narrowed[key] = narrow, fonts
        return find_font(narrowed[key][0], prop, fontext, *args)

    narrowed = {}

    def cache_clear():
        narrowed.clear()
        find_font.cache_clear()

    _findfont_cached.cache_clear = cache_clear
    _findfont_cached.cache_info = find_font.cache_info
    FontManager._find_fonts_by_props = _find_fonts_by_props
    FontManager._findfont_cached = _findfont_cached

    said = set()

    def is_said_first(record):
        if record.levelno < logging.WARNING:
            return True
        message = record.getMessage()
        is_new = message not in said
        said.add(message)
        return is_new

    _log.addFilter(is_said_first)


_install_sandbox_fonts()
