# Changes to other packages' modules, right after they are imported. Each finder only handles the modules of its own
# directory, so programs that import none of them pay nothing.


def _after_import(name, directories, change):
    """Calls `change` with the module `name` once it is imported, or now if it already is. `directories` may contain its
    package."""
    if name in sys.modules:
        change(sys.modules[name])
        return
    import _frozen_importlib_external as importer

    class Finder(importer.FileFinder):
        def find_spec(self, wanted, target=None):
            spec = super().find_spec(wanted, target)
            if wanted == name and spec is not None:
                # From now on the default finder serves the directory.
                sys.path_importer_cache.pop(self.path, None)
                loader = spec.loader
                run = loader.exec_module

                def exec_module(module):
                    del loader.exec_module
                    run(module)
                    change(module)

                loader.exec_module = exec_module
            return spec

    package = name.partition(".")[0]
    for directory in directories:
        directory = directory + "/" + package
        if os.path.isdir(directory):
            sys.path_importer_cache[directory] = Finder(directory, *importer._get_supported_file_loaders())


def _settle_start_method(context):
    """Makes "fork" the start method of multiprocessing unless the program chooses another: since CPython 3.14 it would be
    "forkserver", and scipy uses that on older versions when none was chosen."""
    default = context._default_context
    default._default_context = default.get_context("fork")
    get = default.get_start_method

    def get_start_method(allow_none=False):
        # Not None, so that callers do not take it as undecided; set_start_method still works once.
        if allow_none and default._actual_context is None:
            return "fork"
        return get(allow_none)

    default.get_start_method = get_start_method
    package = sys.modules.get("multiprocessing")
    if hasattr(package, "get_start_method"):
        package.get_start_method = get_start_method


def _save_shown_figures(pyplot):
    """plt.show() has no display: it writes the open figures to the working directory of the program and closes them, as a
    window would be closed. A backend that the program selects is left alone."""
    shown = pyplot.show
    count = 0

    def show(*args, **kwargs):
        nonlocal count
        if pyplot.get_backend().lower() != "agg":
            return shown(*args, **kwargs)
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            count += 1
            while os.path.exists("%s/figure-%d.png" % (_OUTPUT, count)):
                count += 1
            figure.savefig("%s/figure-%d.png" % (_OUTPUT, count))
            pyplot.close(figure)

    show.__doc__ = shown.__doc__
    pyplot.show = show


def _change_imports():
    site = [entry for entry in sys.path if entry.endswith("-packages")]
    _after_import("multiprocessing.context", [os.path.dirname(os.__file__)], _settle_start_method)
    _after_import("matplotlib.pyplot", site, _save_shown_figures)
