#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-docs.py: what the documentation shows works, what it links to is there, what it lists is complete.

Code blocks marked c, python, js or vala in README.md, in docs/*.md and in the documentation comments of the library: complete
programs are built and run, fragments of C are compiled in a wrapper, fragments of Python and JavaScript run with a
manager and a lease. Worker programs, also in Vala, are given to a manager, which has them double a number. A block marked output is what the program before it prints. Speaks TAP.

LP_PROJECT_SRCDIR and LP_PROJECT_BUILDDIR say where the project and its build are; the libraries must be found already.
"""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback

SOURCE = os.environ.get("LP_PROJECT_SRCDIR") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("LP_PROJECT_BUILDDIR") or os.path.join(SOURCE, "build")
TIMEOUT = 60

C_WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-unused-variable",
              "-Wno-unused-but-set-variable", "-Wno-shadow", "-fdiagnostics-color=never"]

# A fragment of C finds these names; those it declares itself hide them.
C_STATEMENTS = """
static void
fragment (LpManager *manager, LpRequest *request, LpLease *lease, LpJob *job, LpExecutor *executor,
          GCancellable *cancellable, gpointer user_data)
{
  GError *error = NULL;

  {
%s
  }
}
"""
C_CALLBACK = "static void %s (GObject *source, GAsyncResult *result, gpointer user_data) { }\n"

# Prints the keys of the statistics with a lease among them.
STATS_PROGRAM = """
#include <leasepool.h>

static void
print_keys (GVariant *value)
{
  GVariantIter iter;
  GVariant *child;
  const char *key;

  if (!g_variant_is_container (value))
    return;

  g_variant_iter_init (&iter, value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("aa{sv}")))
    while (g_variant_iter_loop (&iter, "@*", &child))
      print_keys (child);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{sd}")))
    while (g_variant_iter_loop (&iter, "{&sd}", &key, NULL))
      g_print ("%s\\n", key);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    while (g_variant_iter_loop (&iter, "{&sv}", &key, &child))
      {
        g_print ("%s\\n", key);
        print_keys (child);
      }
}

int
main (void)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GVariant) stats = NULL;

  if (!lp_manager_start (manager, NULL, NULL) || !(lease = lp_manager_acquire (manager, NULL, NULL, NULL)))
    return 1;

  stats = lp_manager_dup_stats (manager);
  print_keys (stats);
  lp_lease_release (lease);
  return lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL) ? 0 : 1;
}
"""

# Has the worker program of its arguments double a number.
WORKER_DRIVER = """
#include <leasepool.h>

int
main (int argc, char **argv)
{
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(LpJob) job = lp_job_new_for_call ("double", g_variant_new ("(i)", 21));
  g_autoptr(GVariant) result = NULL;
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;

  lp_manager_set_workers_per_pool (manager, 1);
  lp_manager_set_start_timeout_seconds (manager, 60);
  lp_manager_set_worker_argv (manager, (const char * const *) argv + 1);
  if (!lp_manager_start (manager, NULL, &error) || !(lease = lp_manager_acquire (manager, NULL, NULL, &error))
      || !lp_lease_submit (lease, job, &error) || !(result = lp_job_wait (job, -1, NULL, &error)))
    g_error ("%s", error->message);

  text = g_variant_print (result, FALSE);
  g_print ("%s\\n", text);
  lp_lease_release (lease);
  return lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL) ? 0 : 1;
}
"""

PYTHON_BEFORE = """
import gi
gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, GObject, Lp

manager = Lp.Manager.new("thread", 2)
manager.start_sync()
lease = manager.acquire_sync()
"""
PYTHON_AFTER = """
lease.release()
manager.stop_sync(Lp.StopMode.CANCEL, -1)
"""

JS_BEFORE = """
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Lp from 'gi://Lp?version=1';

for (const [type, name] of [['Manager', 'start'], ['Manager', 'stop'], ['Manager', 'acquire'], ['Lease', 'submit'],
    ['Lease', 'call'], ['Lease', 'drain'], ['Job', 'wait']])
    Gio._promisify(Lp[type].prototype, `${name}_async`, `${name}_finish`);

const manager = Lp.Manager.new('thread', 2);
await manager.start_async(null);
const lease = await manager.acquire_async(null, null);
"""
JS_AFTER = """
lease.release();
await manager.stop_async(Lp.StopMode.CANCEL, -1, null);
"""


class Skip(Exception):
    """Not tried, and why."""


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as handle:
        return handle.read()


def pages():
    names = ["README.md"] + sorted(glob.glob("docs/*.md", root_dir=SOURCE))
    return {name: read(name) for name in names}


def linked_pages():
    return {**pages(), **{name: read(name) for name in ("CONTRIBUTING.md", "NEWS", "SECURITY.md")}}


class Block:
    def __init__(self, where, language, text):
        self.where = where
        self.language = language
        self.text = text
        self.output = None
        # Those of the page that begin with "// NAME.js": modules that others import.
        self.modules = {}


def blocks_of(name, text):
    """The fenced blocks of a page, with their line numbers; an output block goes to the one before it."""
    found = []
    language, start, lines = None, 0, []
    for number, line in enumerate(text.split("\n"), 1):
        fence = re.match(r"```(.*)$", line)
        if fence and language is None:
            language, start, lines = fence.group(1).strip(), number, []
        elif fence:
            if language == "output":
                found[-1].output = "\n".join(lines) + "\n"
            else:
                found.append(Block(f"{name}:{start}", language, "\n".join(lines) + "\n"))
            language = None
        elif language is not None:
            lines.append(line)
    if language is not None:
        raise ValueError(f"{name}:{start}: the block is not closed")
    modules = {block.text.split("\n")[0][3:]: block.text for block in found
               if re.match(r"// [\w-]+\.js\n", block.text)}
    for block in found:
        block.modules = modules
    return found


def comment_blocks():
    """The blocks of C in documentation comments."""
    found = []
    for path in sorted(glob.glob("leasepool/**/*.[ch]", root_dir=SOURCE, recursive=True)):
        text = read(path)
        for comment in re.finditer(r"^ */\*\*$.*?\*/", text, re.M | re.S):
            body = re.sub(r"^ *\*(?: |$)", "", comment.group(), flags=re.M)
            line = text.count("\n", 0, comment.start())
            for block in blocks_of(path, body):
                block.where = f"{path}:{line + int(block.where.rsplit(':', 1)[1])}"
                found.append(block)
    return found


# --- Code ---

def run(command, text=None, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, input=text, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compile_command():
    """How the build compiles an example: compiler and flags, without the files."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as handle:
        entries = [entry for entry in json.load(handle) if entry["file"].endswith("hello.c")]
    words = shlex.split(entries[0]["command"])
    flags = []
    while words:
        word = words.pop(0)
        if word in ("-o", "-c", "-MF", "-MQ", "-MT"):
            words.pop(0)
        elif word not in ("-MD", "-MMD"):
            flags.append(word)
    # Relative paths are those of the directory the command runs in.
    return flags, entries[0]["directory"]


def link_flags(flags):
    libraries = run(["pkg-config", "--libs", "gio-2.0", "gmodule-2.0"]).split()
    sanitizers = [flag for flag in flags if flag.startswith("-fsanitize=")]
    directory = os.path.join(BUILD, "leasepool")
    return ["-L" + directory, "-lleasepool-1", "-Wl,-rpath," + directory] + libraries + sanitizers


def wrap_c(text):
    """A fragment with function bodies is a part of a file, any other a part of a function."""
    has_functions = re.search(r"\)\n\{$", text, re.M)
    missing = set(re.findall(r"\b\w+_cb\b", text)) - set(re.findall(r"^(\w+_cb) \(", text, re.M))
    return "#include <leasepool.h>\n" + "".join(C_CALLBACK % name for name in sorted(missing)) + (
        text if has_functions else C_STATEMENTS % text)


def build_c(text, program, *options):
    flags, directory = compile_command()
    run([*flags, *C_WARNINGS, *options, "-o", program, "-x", "c", "-", "-x", "none", *link_flags(flags)], text,
        cwd=directory)


def drive(*worker):
    """Has a manager run a worker program."""
    with tempfile.TemporaryDirectory() as scratch:
        driver = os.path.join(scratch, "driver")
        build_c(WORKER_DRIVER, driver)
        output = run([driver, *worker])
        assert output == "(42,)\n", f"it doubled 21 to {output}"


def check_c(block):
    is_program = re.search(r"^main \(", block.text, re.M)
    if not is_program:
        flags, directory = compile_command()
        run([*flags, *C_WARNINGS, "-fsyntax-only", "-x", "c", "-"], wrap_c(block.text), cwd=directory)
        return None
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, "program")
        build_c(block.text, program)
        return drive(program) if "lp_worker_run (" in block.text else run([program])


def need_introspection():
    if not os.path.exists(os.path.join(BUILD, "leasepool", "Lp-1.typelib")):
        raise Skip("the build has no introspection data")
    if any(flag.startswith("-fsanitize=") for flag in compile_command()[0]):
        raise Skip("an interpreter cannot load a library with sanitizers")


def run_script(command, suffix, text, modules=None):
    with tempfile.TemporaryDirectory() as scratch:
        for name, source in (modules or {}).items():
            with open(os.path.join(scratch, name), "w", encoding="utf-8") as handle:
                handle.write(source)
        path = os.path.join(scratch, "block" + suffix)
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(text)
        return drive(*command, path) if "Lp.Worker" in text else run([*command, path])


def check_python(block):
    need_introspection()
    text = block.text
    if "import gi\n" not in text:
        text = PYTHON_BEFORE + text + PYTHON_AFTER
    return run_script([sys.executable], ".py", text)


def check_js(block):
    need_introspection()
    text = block.text
    if "'gi://Lp" not in text:
        text = JS_BEFORE + text + JS_AFTER
    return run_script(["/usr/bin/gjs", "-m"], ".js", text, block.modules)


def check_vala(block):
    if not shutil.which("valac") or not os.path.exists(os.path.join(BUILD, "vapi", "leasepool-1.vapi")):
        raise Skip("there is no valac, or the build has no Vala bindings")
    with tempfile.TemporaryDirectory() as scratch:
        source, program = os.path.join(scratch, "block.vala"), os.path.join(scratch, "program")
        with open(source, "w", encoding="utf-8") as handle:
            handle.write(block.text)
        vapis = ["--vapidir", os.path.join(BUILD, "vapi"), "--pkg", "gio-2.0", "--pkg", "leasepool-1"]
        run(["valac", "--quiet", "--fatal-warnings", "--ccode", "--directory", scratch, *vapis, source])
        with open(os.path.join(scratch, "block.c"), encoding="utf-8") as handle:
            # The warnings for C are not for what valac writes.
            build_c(handle.read(), program, "-w", "-Wno-error")
        return drive(program) if "Lp.Worker" in block.text else run([program])


CHECKS = {"c": check_c, "python": check_python, "js": check_js, "vala": check_vala}
# Commands for a shell, and what no program reads. Code under any other name would be tried by nobody.
NO_CODE = {"sh", "text", "output"}


def check_languages():
    """Each block says what it is, in a way that has it tried if it can be: `C`, `javascript` or nothing would not."""
    texts = linked_pages()
    unknown = [f"{name}: ```{language}" for name, text in texts.items()
               for language in re.findall(r"^```(.*)\n(?:.*\n)*?```$", text, re.M)
               if language not in CHECKS and language not in NO_CODE]
    # These fences open no block for blocks_of().
    unknown += [f"{name}: {line}" for name, text in texts.items()
                for line in re.findall(r"^(?: +```|~~~).*$", text, re.M)]
    unknown += [f"{block.where}: ```{block.language}" for block in comment_blocks()
                if block.language not in CHECKS and block.language not in NO_CODE]
    assert not unknown, "\n".join(unknown)


def check_block(block):
    output = CHECKS[block.language](block)
    if block.output is not None:
        assert output == block.output, f"it printed\n{output}"


# --- Text ---

def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(name, text):
    problems = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        if not os.path.exists(os.path.join(SOURCE, path)):
            problems.append(f"{target}: there is no {path}")
        elif anchor and anchor not in anchors(read(path)):
            problems.append(f"{target}: {path} has no such heading")
    assert not problems, "\n".join(problems)


def check_hello(suffix, language):
    example = read("docs", "examples", "hello" + suffix)
    texts = [block.text for block in blocks_of("README.md", read("README.md")) if block.language == language]
    assert example in texts, f"README.md has no block that equals docs/examples/hello{suffix}"


def check_packages():
    packages = re.sub(r"#.*", "", read("tests", "packages")).split()
    missing = [name for name in packages if f"`{name}`" not in read("README.md")]
    assert not missing, f"README.md does not name the packages {missing}"


def check_options():
    options = re.findall(r"^option\('([\w-]+)'", read("meson_options.txt"), re.M)
    missing = [name for name in options if f"`{name}`" not in read("README.md")]
    assert options and not missing, f"README.md does not name the options {missing}"


def check_readme_commands():
    for command in ("tests/run", "docs/demo", "meson setup build && meson compile -C build && meson test -C build"):
        assert command in read("README.md"), f"README.md does not have “{command}”"


def public_functions():
    names = set()
    for path in glob.glob("leasepool/**/*.h", root_dir=SOURCE, recursive=True):
        if not path.endswith("-private.h"):
            names.update(re.findall(r"^(?:LP_AVAILABLE_IN_\S+\n)(?:[^;{}]*?)\b(lp_\w+) *\(", read(path), re.M))
    return {name for name in names if not name.endswith("_get_type")}


def check_listed(page, names, what, ends=""):
    """Each name is in the page as `name`, or as `name()`; `lp_request_get_*()` names all that begin so."""
    text = read("docs", page)
    patterns = [re.escape(word).replace(r"\*", r"\w+") for word in re.findall(r"`([^`\n]+)`", text)]
    every = re.compile("|".join(patterns))
    missing = sorted(name for name in names if not every.fullmatch(name + ends))
    assert names and not missing, f"docs/{page} does not name the {what} {', '.join(missing)}"


def check_functions():
    check_listed("threads.md", public_functions(), "functions", "()")
    # The page on the design names private ones, too.
    named = {name for page in pages() if page != "docs/design.md" for name in re.findall(r"`(lp_\w+)\(\)`", read(page))}
    unknown = named - public_functions() - {"lp_module_register"}
    assert not unknown, f"The pages name {', '.join(sorted(unknown))}, which the headers do not have"


def check_errors():
    codes = re.findall(r"^ \* @(LP_ERROR_\w+):", read("leasepool", "base", "lp-error.h"), re.M)
    check_listed("errors.md", codes, "errors")


def check_debug_keys():
    keys = re.findall(r'\{ \{ "(\w+)",', read("leasepool", "base", "lp-debug.c"))
    check_listed("debugging.md", keys, "LP_DEBUG keys")


def check_stats():
    names = set(check_c(Block("", "c", STATS_PROGRAM)).split())
    check_listed("debugging.md", names, "stats")


def check_events():
    events = set()
    for path in glob.glob("leasepool/**/*.c", root_dir=SOURCE, recursive=True):
        events.update(re.findall(r'(?:LP_DEBUG_[A-Z]+|log_job \(self, job|log_batch \(self|_prefix),\s*"([a-z-]+)"',
                                 read(path)))
    check_listed("debugging.md", events, "events")

    fields = set()
    for path in glob.glob("leasepool/**/*.c", root_dir=SOURCE, recursive=True):
        fields.update(re.findall(r'\{ "([A-Z_]+)", (?!"|NULL, (?:TRUE|FALSE))', read(path)))
    check_listed("debugging.md", fields, "fields")


def check_vala_hello():
    """It is the program of the page, but for the licence."""
    example = read("docs", "examples", "hello.vala").split("\n\n", 1)[1]
    assert example in [block.text for block in blocks_of("docs/vala.md", read("docs", "vala.md"))]


# --- The run ---

def collect():
    cases = []
    for name, text in pages().items():
        # The code of the tour is that of its programs, see tests/tour.
        if name == "docs/tour.md":
            continue
        cases += [(f"{block.where} {block.language}", check_block, block)
                  for block in blocks_of(name, text) if block.language in CHECKS]
    cases += [(f"{block.where} c", check_block, block) for block in comment_blocks() if block.language == "c"]
    cases += [(f"{name} links", check_links, name, text) for name, text in linked_pages().items()]
    cases += [(f"README.md has hello{suffix}", check_hello, suffix, language)
              for suffix, language in ((".c", "c"), (".py", "python"), (".js", "js"))]
    cases += [("docs/vala.md has hello.vala", check_vala_hello)]
    cases += [("blocks say what they are", check_languages),
              ("README.md packages", check_packages),
              ("README.md options", check_options),
              ("README.md commands", check_readme_commands),
              ("threads.md functions", check_functions),
              ("errors.md codes", check_errors),
              ("debugging.md keys", check_debug_keys),
              ("debugging.md stats", check_stats),
              ("debugging.md events", check_events)]
    return cases


def diagnose(text):
    for line in text.rstrip("\n").split("\n"):
        print(f"# {line}")


def main():
    cases = collect()
    failed = False
    print(f"1..{len(cases)}")
    for number, (name, check, *arguments) in enumerate(cases, 1):
        try:
            check(*arguments)
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed = True
            print(f"not ok {number} - {name}", flush=True)
            diagnose(str(error) if isinstance(error, AssertionError) else traceback.format_exc())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
