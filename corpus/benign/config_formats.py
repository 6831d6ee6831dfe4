#! files: app.ini
import configparser
import tomllib
from string import Template

config = configparser.ConfigParser()
config.read_string("[server]\nhost = localhost\nport = 8080\n[paths]\nroot = /srv\nlogs = %(root)s/logs\n")
print(config["server"].getint("port"), config["paths"]["logs"], config.sections())
config["server"]["port"] = "9090"
with open("app.ini", "w") as handle:
    config.write(handle)
print(open("app.ini").read().splitlines()[:3])
toml = tomllib.loads('title = "demo"\n[owner]\nborn = 1979-05-27\n[[fruit]]\nname = "apple"\n[[fruit]]\nname = "pear"\n')
print(toml["title"], toml["owner"]["born"].isoformat(), [f["name"] for f in toml["fruit"]])
print(Template("Dear $name, you owe $$${amount}").substitute(name="Ada", amount=12))
print(Template("$known $unknown").safe_substitute(known="yes"))
