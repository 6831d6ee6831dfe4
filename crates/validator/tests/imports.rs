//! Forbidden imports: every form that is found, everything that only looks like one, and the cases that only
//! give a warning.

use std::collections::BTreeSet;

use validator::{FindingCode, Policy, Report, validate};

fn with_forbidden(list: &str) -> Policy {
    Policy {
        forbidden_imports: Policy::forbidden_from_list(list).expect("a list of modules"),
        ..Policy::default()
    }
}

fn validated(source: &str) -> Report {
    validate(source, &Policy::default())
}

fn places(report: &Report, code: FindingCode) -> Vec<(u32, u32)> {
    let all = report.violations.iter().chain(&report.warnings);
    all.filter(|finding| finding.code == code).map(|finding| (finding.line, finding.column)).collect()
}

#[test]
fn every_form_is_caught() {
    for (source, line, column) in [
        ("import os", 1, 7),
        ("import os.path", 1, 7),
        ("import os as o", 1, 7),
        ("import json, os, re", 1, 13),
        ("import os.path as p", 1, 7),
        ("from os import path", 1, 0),
        ("from os.path import join as j", 1, 0),
        ("from os import *", 1, 0),
        ("from os import (\n    path,\n)", 1, 0),
        ("import subprocess", 1, 7),
        ("import socket", 1, 7),
        ("import sys", 1, 7),
        ("import importlib.util", 1, 7),
        ("import ctypes.util", 1, 7),
        ("from multiprocessing import Pool", 1, 0),
        ("from multiprocessing.pool import ThreadPool", 1, 0),
        ("def f():\n    import os\n", 2, 11),
        ("class A:\n    from os import path\n", 2, 4),
        ("try:\n    import os\nexcept ImportError:\n    pass\n", 2, 11),
        ("try:\n    pass\nfinally:\n    import os\n", 4, 11),
        ("if False:\n    import os\n", 2, 11),
        ("x = 1; import os", 1, 14),
        ("for i in x: import os", 1, 19),
        ("with a: import os", 1, 15),
        ("async def f():\n    import os\n", 2, 11),
        ("match x:\n    case 1:\n        import os\n", 3, 15),
        ("import ｏｓ", 1, 7),
        ("from ｏｓ import path", 1, 0),
        ("import \\\n    os", 2, 4),
        // Functions that import.
        ("__import__('os')", 1, 0),
        ("x = __import__('os').system", 1, 4),
        ("__import__('os.path')", 1, 0),
        ("__import__(name='os')", 1, 0),
        ("__import__('o' + 's')", 1, 0),
        ("__import__('o' 's')", 1, 0),
        ("__import__(f'o{\"s\"}')", 1, 0),
        ("__import__('so'[::-1])", 1, 0),
        ("__import__(''.join(['o', 's']))", 1, 0),
        ("__import__(chr(111) + chr(115))", 1, 0),
        ("__import__('OS'.lower())", 1, 0),
        ("name = 'os'\n__import__(name)", 2, 0),
        ("imp = __import__\nimp('os')", 2, 0),
        ("a = 'o'\nb = a + 's'\nload = __import__\nload(b)", 4, 0),
        ("__builtins__.__import__('os')", 1, 0),
        ("__builtins__['__import__']('os')", 1, 0),
        ("getattr(__builtins__, '__import__')('os')", 1, 0),
        ("lambda: __import__('os')", 1, 8),
        ("[__import__('os') for x in y]", 1, 1),
        ("f'{__import__(\"os\")}'", 1, 3),
        ("x = y.__import__('os')", 1, 4),
        ("import pydoc\npydoc.locate('os')", 2, 0),
        ("import runpy\nrunpy.run_module('os')", 2, 0),
        ("from pkgutil import resolve_name as r\nr('os:system')", 2, 0),
        // Through modules that have it.
        ("import pandas\npandas.io.common.os.system('id')", 2, 0),
        ("import pandas as pd\npd.io.common.os", 2, 0),
        ("import pandas.io.common\npandas.io.common.os", 2, 0),
        ("import pandas.io.common as c\nc.os", 2, 0),
        ("import pathlib\npathlib.os.system", 2, 0),
        ("import shutil\nx = shutil.os", 2, 4),
        ("import random\nrandom._os.system('id')", 2, 0),
        ("import collections\ncollections._sys.modules", 2, 0),
        ("import numpy as np\nnp.sys", 2, 0),
        ("from pathlib import os", 1, 20),
        ("from random import _os as o", 1, 19),
        ("from pandas.io import common\ncommon.os", 2, 0),
        ("import pathlib\ngetattr(pathlib, 'os')", 2, 0),
        ("import pathlib\nvars(pathlib)['os']\npathlib.__dict__['os'].x\np = pathlib\np.os", 5, 0),
        ("__import__('pathlib').os", 1, 0),
        // Relative: `__package__` can make it any module.
        ("from . import os", 1, 14),
        ("from .os import path", 1, 0),
    ] {
        let report = validated(source);
        assert_eq!(places(&report, FindingCode::ForbiddenImport), [(line, column)], "{source:?}: {report:?}");
        assert!(!report.is_accepted());
    }
}

#[test]
fn importlib_when_it_is_allowed() {
    let policy = with_forbidden("os,sys");
    for source in [
        "import importlib\nimportlib.import_module('os')",
        "import importlib as il\nil.import_module('os.path')",
        "from importlib import import_module\nimport_module('os')",
        "from importlib import import_module as im\nim(name='os')",
        "from importlib import import_module\nload = import_module\nload('os')",
        "import importlib\nimportlib.__import__('os')",
        "import importlib\nimportlib.import_module('.path', 'os')",
        "import importlib\nimportlib.import_module('..path', package='os.x')",
        "import builtins\nbuiltins.__import__('os')",
        "import importlib\ngetattr(importlib, 'import_module')('os')",
    ] {
        let report = validate(source, &policy);
        assert_eq!(
            places(&report, FindingCode::ForbiddenImport),
            [(u32::try_from(source.lines().count()).unwrap(), 0)],
            "{source:?}"
        );
    }
    let policy = with_forbidden("os");
    let report = validate("import sys\nsys.modules['os'].system('id')", &policy);
    assert_eq!(places(&report, FindingCode::ForbiddenImport), [(2, 0)]);
}

#[test]
fn dotted_entries_forbid_a_module_and_its_children() {
    let policy = with_forbidden("concurrent.futures");
    for source in [
        "import concurrent.futures",
        "import concurrent.futures.thread",
        "from concurrent import futures",
        "from concurrent import futures as f",
        "from concurrent.futures import ThreadPoolExecutor",
        "__import__('concurrent.futures')",
    ] {
        assert!(!validate(source, &policy).is_accepted(), "{source}");
    }
    for source in
        ["import concurrent", "import asyncio", "from concurrent import other", "import concurrent_futures"]
    {
        assert_eq!(validate(source, &policy).violations, [], "{source}");
    }
    let message = &validate("from concurrent import futures", &policy).violations[0];
    assert_eq!((message.line, message.column), (1, 23));
    assert_eq!(message.message, "import of `concurrent.futures` is not allowed");
}

#[test]
fn what_only_looks_like_one_is_accepted() {
    for source in [
        "os = 5\nprint(os)",
        "x = 'import os'",
        "'''\nimport os\n'''",
        "# import os",
        "df = load()\nprint(df.os, df['sys'], df.socket)",
        "import pandas as pd\ndf = pd.read_csv('x')\ndf.os.value_counts()",
        "import numpy as np\nnp.random.rand(3); np.sum([1]); np.sys_info = 1",
        "import scipy.signal\nscipy.signal.find_peaks(x)",
        "import asyncio\nasyncio.subprocess.PIPE",
        "from asyncio import subprocess",
        "from concurrent import futures",
        "from concurrent.futures import ThreadPoolExecutor",
        "import osmnx, system, sysconfig_x, mysys",
        "from mypackage import settings\nsettings.os",
        "class Machine:\n    def __init__(self):\n        self.os = 'linux'\n        self.sys = 1\n",
        "def f(os, sys): return os.path + sys.argv",
        "import re\nre.compile('os')",
        "import platform\nplatform.system()",
        "open('os')",
        "import collections.abc, os_path",
        "from dataclasses import dataclass",
        "name = 'os'\nname = 'json'\n__import__(name)",
        "def load(name):\n    return __import__(name)\nname = 'os'",
        "__import__('json')",
        "import_module('os')",
        "d = {'os': 1}\nd['os']",
        "getattr(config, 'os')",
        "modules = {}\nmodules['os'] = 1\nself.modules['os']",
        "import torch.multiprocessing\ntorch.multiprocessing.Pool()",
    ] {
        let report = validated(source);
        assert_eq!(report.violations, [], "{source:?}");
    }
}

#[test]
fn an_empty_policy_forbids_nothing() {
    let policy = with_forbidden("");
    let report = validate("import os, sys\n__import__('ctypes')\nimport pathlib\npathlib.os", &policy);
    assert_eq!((report.violations, report.warnings), (vec![], vec![]));
}

#[test]
fn uncertain_ones_are_warnings() {
    for (source, code, place) in [
        ("import mypackage\nmypackage.sub.os", FindingCode::SuspectAttribute, (2, 0)),
        ("from mypackage import os", FindingCode::SuspectAttribute, (1, 22)),
        ("from pathlib import Path\nPath.os", FindingCode::SuspectAttribute, (2, 0)),
        ("import pandas as pd\npd = other()\npd.os", FindingCode::SuspectAttribute, (3, 0)),
        ("__import__(name)", FindingCode::DynamicImport, (1, 0)),
        ("import runpy\nrunpy.run_module(x)", FindingCode::DynamicImport, (2, 0)),
        ("from . import helpers", FindingCode::RelativeImport, (1, 0)),
        ("from ..pkg import helpers", FindingCode::RelativeImport, (1, 0)),
    ] {
        let report = validated(source);
        assert_eq!(report.violations, [], "{source:?}");
        assert_eq!(places(&report, code), [place], "{source:?}: {report:?}");
    }
}

#[test]
fn imports_are_listed() {
    let source = "import numpy as np, pandas.io.common\nfrom scipy import stats\nimport json\n\
                  def f():\n    from PIL import Image\n__import__('open' + 'pyxl')\nfrom . import x\n";
    let expected = ["PIL", "json", "numpy", "openpyxl", "pandas.io.common", "scipy"];
    assert_eq!(validated(source).imports, expected.map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn a_broken_program_still_lists_its_forbidden_imports() {
    let report = validated("import os\nimport json\nx = = 1\nimport sys\n");
    let codes: Vec<_> =
        report.violations.iter().map(|finding| (finding.line, finding.code.as_str())).collect();
    assert_eq!(codes, [(1, "forbidden-import"), (3, "syntax-error"), (4, "forbidden-import")]);
    assert!(report.imports.contains("json"));
}
