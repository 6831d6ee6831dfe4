//! The most common failures of programs that models write: each answer has a hint, and a successful one has
//! none.

use crate::open_server;

#[test]
fn each_common_failure_names_its_way_out() {
    let Some(server) = open_server() else { return };
    for (code, words) in [
        ("import urllib.request\nurllib.request.urlopen('https://example.com')", "no network"),
        ("import requests\nrequests.get('https://example.com')", "no network"),
        ("import requests\nrequests.get('http://192.0.2.1', timeout=1)", "no network"),
        ("import pandas as pd\npd.read_csv('https://example.com/x.csv')", "no network"),
        ("import no_such_package", "`no_such_package` is not in the sandbox"),
        ("import tkinter", "no display"),
        ("import pandas as pd\npd.DataFrame().to_hdf('x.h5', key='x')", "packages cannot be installed"),
        ("name = input('name? ')", "`stdin`"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "no shell"),
        ("import subprocess\nsubprocess.run(['git', 'status'])", "no command `git`"),
        (
            "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'x'], check=True)",
            "packages cannot be installed",
        ),
        ("import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('/mnt/data/x.csv')", "/tmp/output"),
        ("open('/home/user/x.txt', 'w')", "/tmp/output"),
        ("open('/etc/x', 'w')", "/tmp/output"),
        ("open('/mnt/data/in.csv')", "`files`"),
        ("import pandas as pd\npd.read_csv('data.csv')", "`files`"),
        ("import numpy as np\nnp.zeros((60000, 60000))", "NATIVE_MEMORY"),
        ("x = bytearray(1 << 46)", "NATIVE_MEMORY"),
        ("open('x', 'wb').truncate(1 << 40)", "NATIVE_TMP_SIZE"),
        ("import os\nos.get_terminal_size()", "no terminal"),
        ("import locale\nlocale.setlocale(locale.LC_ALL, 'de_DE.UTF-8')", "C.UTF-8"),
        (
            "import matplotlib\nmatplotlib.use('TkAgg')\nimport matplotlib.pyplot as plt\nplt.figure()",
            "display",
        ),
    ] {
        let answer = server.program(code);
        assert_eq!(answer.json["success"], false, "{code}: {}", answer.text());
        let hint = answer.str("/outcome/hint");
        assert!(hint.contains(words), "{code}: {hint:?} in {}", answer.text());
        assert!(answer.str("/error").contains(hint), "{code}: {}", answer.text());
    }
}

#[test]
fn what_is_installed_is_what_the_runtime_has() {
    let Some(server) = open_server() else { return };
    let list = "import importlib.metadata as m\nprint(*sorted({d.name.lower() for d in m.distributions()}))";
    let installed = server.program(list);
    let hint = server.program("import no_such_package").str("/outcome/hint").to_lowercase().replace('_', "-");
    for name in installed.str("/stdout").split_whitespace().take(20) {
        assert!(hint.contains(&name.replace('_', "-")), "{name} is not in {hint}");
    }
}

#[test]
fn nothing_is_guessed() {
    let Some(server) = open_server() else { return };
    for code in [
        "raise ValueError('no network, no such file, cannot allocate memory')",
        "raise RuntimeError('pip install x')",
        "{}['missing']",
        "assert False, 'Inappropriate'",
        "raise EOFError('end of my own file')",
        "raise FileNotFoundError('my own words')",
        "raise PermissionError('guest may not edit invoices')",
    ] {
        let answer = server.program(code);
        assert!(answer.json["outcome"]["hint"].is_null(), "{code}: {}", answer.text());
    }
}

#[test]
fn a_file_beside_the_output_directory_is_mentioned() {
    let Some(server) = open_server() else { return };
    let code = "import os, tempfile\nopen('/tmp/result.csv', 'w').write('1')\nos.mkdir('/tmp/data')\n\
                open('/tmp/data/more.csv', 'w').write('2')\ntempfile.mkstemp()\nopen('kept.txt', 'w').write('3')";
    let answer = server.program(code);
    let skipped = &answer.json["skipped_files"];
    let expected = serde_json::json!([
        {"path": "/tmp/data/more.csv", "reason": "not_in_output"},
        {"path": "/tmp/result.csv", "reason": "not_in_output"},
    ]);
    assert_eq!(skipped, &expected, "{}", answer.text());
    assert_eq!(answer.str("/artifacts/0/path"), "kept.txt");
}

#[test]
fn a_value_that_a_script_does_not_show_is_mentioned() {
    let Some(server) = open_server() else { return };
    for (code, hinted) in [
        ("x = [1]\nx", true),
        ("import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf.head()", true),
        ("print(1)\n1 + 1", true),
        ("print('all')", false),
        ("def main(): print(1)\nmain()", false),
        ("open('x', 'w').write('y')", false),
        ("x = 1", false),
        ("'A text.'", false),
    ] {
        let answer = server.program(code);
        assert_eq!(answer.json["success"], true, "{code}: {}", answer.text());
        let hint = answer.json["outcome"]["hint"].as_str().unwrap_or_default();
        assert_eq!(hint.contains("must print it"), hinted, "{code}: {}", answer.text());
        assert!(answer.json["error"].is_null());
    }
}
