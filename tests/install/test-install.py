# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Installs the library into a prefix of its own and uses it from there only: in C, C++, Python, GJS and Vala.

LP_PROJECT_SRCDIR is the source tree; it is built anew in a temporary directory.
"""

import glob
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["LP_PROJECT_SRCDIR"]
EXAMPLES = os.path.join(SOURCE, "docs/examples")
HELLO = "Hello from a leased thread\n"

sys.path.insert(0, os.path.join(SOURCE, "tests/python"))
import tap  # noqa: E402

C_PROGRAM = r"""
#include <leasepool.h>

static void
work (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", 42);
}

int
main (void)
{
  GError *error = NULL;
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  LpJob *job = lp_job_new_for_func (work, NULL, NULL);
  LpLease *lease;
  GVariant *result;
  int number;

  if (!lp_manager_start (manager, NULL, &error))
    g_error ("%s", error->message);
  lease = lp_manager_acquire (manager, NULL, NULL, &error);
  if (lease == NULL || !lp_lease_submit (lease, job, &error))
    g_error ("%s", error->message);
  result = lp_job_wait (job, -1, NULL, &error);
  g_variant_get (result, "(i)", &number);
  g_print ("%d\n", number);
  g_variant_unref (result);
  g_object_unref (job);
  lp_lease_release (lease);
  g_object_unref (lease);
  if (!lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, &error))
    g_error ("%s", error->message);
  g_object_unref (manager);
  return LP_CHECK_VERSION (1, 0, 0) ? 0 : 1;
}
"""

MODULE = r"""
#include <leasepool.h>

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

static void
answer (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", 42);
}

void
lp_module_register (LpFunctions *functions)
{
  lp_functions_add (functions, "answer", NULL, NULL, answer, NULL, NULL, NULL);
}
"""

OVERRIDES_PROGRAM = """
import sys
import gi
gi.require_version("Lp", "1")
from gi.repository import GLib, Lp

def fail(*_):
    raise ValueError("42")

functions = Lp.Functions.new()
functions.add("fail", None, None, fail)
manager = Lp.Manager(backend="thread", max_pools=1, functions=functions)
manager.start_sync()
lease = manager.acquire_sync()
job = Lp.Job.new_for_call("fail", None)
lease.submit(job)
print(sys.modules[Lp.Worker.__module__].__file__)
try:
    job.wait(-1)
except GLib.Error as error:
    print(error.message)
lease.release()
manager.stop_sync(Lp.StopMode.DRAIN, -1)
"""

# With the overrides and without: blocking forms have other names there.
PYTHON_PROGRAM = """
import gi
gi.require_version("Lp", "1")
from gi.repository import GLib, Lp

manager = Lp.Manager(max_pools=1, function_module=%s)
start, acquire, stop = [getattr(manager, f"{name}_sync", getattr(manager, name)) for name in ("start", "acquire", "stop")]
start()
lease = acquire()
job = Lp.Job.new_for_call("answer", None)
lease.submit(job)
print(job.wait(-1).unpack()[0])
lease.release()
stop(Lp.StopMode.DRAIN, -1)
"""

GJS_PROGRAM = """
import Gio from 'gi://Gio';
import Lp from 'gi://Lp?version=1';

Gio._promisify(Lp.Manager.prototype, 'acquire_async', 'acquire_finish');
Gio._promisify(Lp.Lease.prototype, 'call_async', 'call_finish');
const manager = new Lp.Manager({max_pools: 1, function_module: 'answer'});
manager.start(null);
const lease = await manager.acquire_async(null, null);
print((await lease.call_async('answer', null, null)).deepUnpack()[0]);
lease.release();
manager.stop(Lp.StopMode.DRAIN, -1, null);
"""

GJS_MODULE = """
export function answer(number) {
    return 2 * number;
}
"""

GJS_OVERRIDES_PROGRAM = """
import GLib from 'gi://GLib';
import Lp from 'gi://Lp?version=1';

const manager = new Lp.Manager({
    worker_module: GLib.Uri.resolve_relative(import.meta.url, './answers.js', GLib.UriFlags.NONE),
    max_pools: 1, workers_per_pool: 1, start_timeout_seconds: 60,
});
await manager.start();
print(await manager.withLease({owner: 'x'}, lease => lease.call('answer', [21])));
print(manager.worker_argv[4]);
await manager.stop(Lp.StopMode.DRAIN, 5);
"""

VALA_PROGRAM = """
int main () {
    var manager = new Lp.Manager ("thread", 2) { min_pools = 2, function_module = "answer" };

    try {
        manager.start ();
        var lease = manager.acquire ();
        var job = new Lp.Job.for_call ("answer");
        lease.submit (job);
        print ("%d\\n", job.wait (-1).get_child_value (0).get_int32 ());
        lease.release ();
        manager.stop (Lp.StopMode.DRAIN, -1);
    } catch (Error error) {
        return 1;
    }
    return 0;
}
"""


def clean_environment():
    """Without what leads to the build that this test belongs to."""
    drop = ("LD_LIBRARY_PATH", "GI_TYPELIB_PATH", "LP_MODULE_PATH", "LP_WORKER_PROGRAM", "PKG_CONFIG_PATH", "XDG_DATA_DIRS",
            "MESON_TESTTHREADS", "DESTDIR", "G_DEBUG", "PYTHONPATH", "GJS_PATH")
    return {key: value for key, value in os.environ.items() if key not in drop}


def run(argv, env=None, cwd=None):
    result = subprocess.run(argv, env=env or clean_environment(), cwd=cwd, capture_output=True, text=True, timeout=500,
                            check=False)
    if result.returncode != 0:
        raise AssertionError(f"{argv} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def need(program):
    if shutil.which(program) is None:
        raise unittest.SkipTest(f"there is no {program}")


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="lp-install-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.build = os.path.join(cls.top, "build")
        cls.prefix = os.path.join(cls.top, "prefix")
        run(["meson", "setup", cls.build, SOURCE, f"--prefix={cls.prefix}", "-Dtests=false", "-Ddocs=disabled",
             "-Dbuildtype=debugoptimized"])
        run(["meson", "compile", "-C", cls.build, "-j", str(os.cpu_count() or 1)])
        run(["meson", "install", "-C", cls.build, "--no-rebuild"])
        cls.includes = os.path.join(cls.prefix, "include/leasepool-1")
        cls.library = cls.find_library()
        cls.libdir = os.path.dirname(cls.library)
        cls.env = {**clean_environment(), "LD_LIBRARY_PATH": cls.libdir,
                   "PKG_CONFIG_PATH": os.path.join(cls.libdir, "pkgconfig"),
                   "GI_TYPELIB_PATH": os.path.join(cls.libdir, "girepository-1.0")}

    @classmethod
    def find_library(cls):
        for directory, _names, files in os.walk(cls.prefix):
            if "libleasepool-1.so" in files:
                return os.path.join(directory, "libleasepool-1.so")
        raise AssertionError("no libleasepool-1.so was installed")

    def installed(self, path):
        """The path of a file below the prefix; skips the case if its part is not built for want of a tool."""
        full = os.path.join(self.prefix, path)
        if not os.path.exists(full) and path.endswith((".gir", ".typelib", ".vapi")):
            raise unittest.SkipTest(f"{path} is not built: the tools for it are missing")
        return full

    def in_prefix(self, *argv, **environment):
        return run(list(argv), {**self.env, **environment}, self.top)

    def write(self, name, text):
        path = os.path.join(self.top, name)
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(text)
        return path

    def flags(self, *options):
        return self.in_prefix("pkg-config", *options, "leasepool-1").split()

    def compile(self, compiler, source, *options):
        need(compiler)
        need("pkg-config")
        program = os.path.splitext(os.path.join(self.top, os.path.basename(source)))[0]
        self.in_prefix(compiler, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", *options, "-o", program, source,
                       *self.flags("--cflags", "--libs"))
        return program

    def install_module(self):
        """The function module "answer", where the installed library looks for such."""
        directory = self.flags("--variable=moduledir")[0]
        os.makedirs(directory, exist_ok=True)
        built = self.compile("cc", self.write("answer.c", MODULE), "-shared", "-fPIC")
        shutil.copy(built, os.path.join(directory, "answer.so"))

    # What is installed

    def test_headers_are_flat_and_public(self):
        names = sorted(os.listdir(self.includes))
        self.assertTrue(all(os.path.isfile(os.path.join(self.includes, name)) for name in names))
        self.assertTrue(all(name.endswith(".h") for name in names), names)
        self.assertEqual([name for name in names if "private" in name], [])
        self.assertEqual(os.listdir(os.path.join(self.prefix, "include")), ["leasepool-1"])
        # All come with leasepool.h, so that every one of them is of use.
        reached, new = set(), {"leasepool.h"}
        while new:
            reached |= new
            new = {name for header in new for name in self.included_by(header)} - reached
        self.assertEqual(names, sorted(reached))

    def included_by(self, header):
        with open(os.path.join(self.includes, header), encoding="utf-8") as handle:
            return re.findall(r'#include "(lp-[^"]+)"', handle.read())

    def declared(self):
        """The functions that the installed headers declare."""
        names = set()
        for header in os.listdir(self.includes):
            with open(os.path.join(self.includes, header), encoding="utf-8") as handle:
                text = re.sub(r"/\*.*?\*/|^[ \t]*#([^\n]*\\\n)*[^\n]*", "", handle.read(), flags=re.S | re.M)
            names |= {f"{name}_get_type" for name in re.findall(r"G_DECLARE_\w+ \(\w+, (lp_\w+),", text)}
            text = re.sub(r"G_DECLARE_\w+ \([^)]*\)|\(\*[^)]*\)", "", text)
            names |= set(re.findall(r"\b(lp_\w+)\s*\(", text))
        return names

    def test_exported_symbols_are_exactly_those_declared(self):
        need("nm")
        exported = {line.split()[-1] for line in run(["nm", "-D", "--defined-only", self.library]).splitlines()}
        self.assertEqual({name for name in exported if not re.fullmatch(r"lp_[a-z0-9_]+", name)}, set())
        self.assertEqual(exported, self.declared())
        self.assertGreater(len(exported), 100)

    def test_library_has_its_name_and_no_path_of_the_build(self):
        need("readelf")
        dynamic = run(["readelf", "-d", self.library])
        self.assertIn("[libleasepool-1.so.0]", dynamic)
        self.assertNotIn("RPATH", dynamic)
        self.assertNotIn("RUNPATH", dynamic)
        self.assertIn("libleasepool-1.so.0", os.listdir(self.libdir))

    def test_no_installed_text_tells_of_the_build(self):
        for directory, _names, files in os.walk(self.prefix):
            for name in files:
                path = os.path.join(directory, name)
                with open(path, "rb") as handle:
                    data = handle.read()
                if b"\0" not in data:
                    self.assertNotIn(self.build.encode(), data, path)
                    self.assertNotIn(SOURCE.encode() + b"/leasepool", data, path)

    def test_pkg_config(self):
        need("pkg-config")
        self.assertRegex(self.flags("--modversion")[0], r"^1\.\d+\.\d+$")
        self.assertEqual(self.flags("--variable=moduledir"), [os.path.join(self.libdir, "leasepool-1/modules")])
        own = [flag for flag in self.flags("--cflags") if "leasepool" in flag]
        self.assertEqual(own, [f"-I{self.includes}"])
        self.assertIn("gio-2.0", self.in_prefix("pkg-config", "--print-requires", "leasepool-1"))

    def test_gir_names_the_library_and_the_package(self):
        with open(self.installed("share/gir-1.0/Lp-1.gir"), encoding="utf-8") as handle:
            text = handle.read()
        for part in ('shared-library="libleasepool-1.so.0"', '<package name="leasepool-1"/>', '<c:include name="leasepool.h"/>'):
            self.assertTrue(part in text, part)

    # What is built with it

    def test_c(self):
        program = self.compile("cc", self.write("program.c", C_PROGRAM))
        self.assertEqual(self.in_prefix(program), "42\n")

    def test_c_of_an_older_standard(self):
        self.compile("cc", self.write("program99.c", C_PROGRAM), "-std=c99")

    def test_cpp(self):
        program = self.compile("c++", self.write("programpp.cc", C_PROGRAM))
        self.assertEqual(self.in_prefix(program), "42\n")

    def test_headers_cannot_be_included_one_by_one(self):
        need("cc")
        for header in sorted(set(os.listdir(self.includes)) - {"leasepool.h"}):
            source = self.write("single.c", f"#include <{header}>\n")
            result = subprocess.run(["cc", "-fsyntax-only", source, *self.flags("--cflags")], capture_output=True, text=True,
                                    check=False)
            if "version-macros" not in header:
                self.assertIn("can be included directly", result.stderr, header)

    def test_function_module_in_its_directory(self):
        self.install_module()
        program = PYTHON_PROGRAM % '"answer"'
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        self.assertEqual(self.in_prefix(sys.executable, "-c", program), "42\n")

    def test_function_module_by_its_path(self):
        built = self.compile("cc", self.write("answer-elsewhere.c", MODULE), "-shared", "-fPIC")
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        self.assertEqual(self.in_prefix(sys.executable, "-c", PYTHON_PROGRAM % repr(built)), "42\n")

    def test_worker_program_finds_the_library(self):
        program = self.installed("libexec/leasepool-worker")
        result = subprocess.run([program], stdin=subprocess.DEVNULL, env=clean_environment(), capture_output=True, text=True,
                                check=False)
        self.assertEqual((result.returncode, result.stderr),
                         (1, "leasepool-worker: This program is a worker: a manager starts it\n"))

    def test_worker_processes(self):
        self.install_module()
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        program = PYTHON_PROGRAM.replace("Lp.Manager(", 'Lp.Manager(backend="process", ') % '"answer"'
        self.assertIn('"process"', program)
        self.assertEqual(self.in_prefix(sys.executable, "-c", program), "42\n")

    # The overrides for Python

    def packages(self):
        """The directory of the prefix that has gi/overrides/Lp."""
        (path,) = glob.glob(os.path.join(self.prefix, "**/Lp/__init__.py"), recursive=True)
        packages, rest = path[:-len("gi/overrides/Lp/__init__.py")], path[-len("gi/overrides/Lp/__init__.py"):]
        self.assertEqual(rest, "gi/overrides/Lp/__init__.py")
        return packages

    def test_overrides_hide_nothing_of_pygobject(self):
        packages = self.packages()
        self.assertEqual(glob.glob("**/__init__.py", root_dir=os.path.join(packages, "gi"), recursive=True),
                         ["overrides/Lp/__init__.py"])
        program = "from gi.repository import GLib, Gio; print(GLib.Variant('i', 42).unpack())"
        self.assertEqual(self.in_prefix(sys.executable, "-B", "-c", program, PYTHONPATH=packages), "42\n")

    def test_overrides_of_the_prefix_are_used(self):
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        packages = self.packages()
        self.assertEqual(self.in_prefix(sys.executable, "-B", "-c", OVERRIDES_PROGRAM, PYTHONPATH=packages),
                         f"{packages}gi/overrides/Lp/__init__.py\nValueError: 42\n")

    def test_overrides_are_no_condition(self):
        self.install_module()
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        program = PYTHON_PROGRAM % '"answer"' + '\nprint(hasattr(Lp, "LogHandler"))'
        self.assertEqual(self.in_prefix(sys.executable, "-B", "-c", program), "42\nFalse\n")
        self.assertEqual(self.in_prefix(sys.executable, "-B", "-c", program, PYTHONPATH=self.packages()), "42\nTrue\n")

    def test_overrides_without_installing(self):
        path, message = self.devenv(sys.executable, "-B", "-c", OVERRIDES_PROGRAM).splitlines()[-2:]
        self.assertEqual((path, message), (os.path.join(self.build, "bindings/python/gi/overrides/Lp/__init__.py"), "ValueError: 42"))

    def test_overrides_go_where_python_looks(self):
        script = os.path.join(SOURCE, "bindings/python/overrides-dir.py")
        for prefix in ("/usr", "/usr/local", site.getuserbase()):
            packages = run([sys.executable, script, prefix]).strip().removesuffix("/gi/overrides")
            self.assertIn(packages, [*sys.path, site.getusersitepackages()])
            self.assertTrue(packages.startswith(prefix + "/"), packages)
        self.assertRegex(run([sys.executable, script, "/opt/x"]), r"^/opt/x/.*/gi/overrides\n$")

    # In other languages

    def test_gjs(self):
        need("gjs")
        self.install_module()
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        self.assertEqual(self.in_prefix("gjs", "-m", self.write("program.js", GJS_PROGRAM)), "42\n")

    # The overrides for GJS; the case above is without them

    def write_gjs_program(self):
        need("gjs")
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        self.write("answers.js", GJS_MODULE)
        return self.write("overrides.js", GJS_OVERRIDES_PROGRAM)

    def check_gjs_overrides(self, directory, run_program):
        answer, worker = run_program("gjs", "-m", self.write_gjs_program()).splitlines()[-2:]
        self.assertEqual((answer, worker), ("42", os.path.join(directory, "overrides/leasepool/worker.js")))

    def test_gjs_overrides_of_the_prefix_are_found_by_the_data_directory(self):
        data = os.path.join(self.prefix, "share")
        self.check_gjs_overrides(os.path.join(data, "gjs-1.0"), lambda *argv: self.in_prefix(
            *argv, XDG_DATA_DIRS=f"{data}:/usr/local/share:/usr/share"))

    def test_gjs_overrides_of_the_prefix_are_found_by_gjs_path(self):
        directory = os.path.join(self.prefix, "share/gjs-1.0")
        self.check_gjs_overrides(directory, lambda *argv: self.in_prefix(*argv, GJS_PATH=directory))

    def test_gjs_overrides_without_installing(self):
        self.check_gjs_overrides(os.path.join(SOURCE, "bindings/gjs"), self.devenv)

    def test_gjs_overrides_are_all_installed(self):
        installed = os.path.join(self.prefix, "share/gjs-1.0")
        names = {path: glob.glob("overrides/**/*.js", root_dir=path, recursive=True)
                 for path in (installed, os.path.join(SOURCE, "bindings/gjs"))}
        self.assertEqual(*(sorted(found) for found in names.values()))

    # And Vala

    def test_hello_in_vala(self):
        need("valac")
        vapidir = os.path.dirname(self.installed("share/vala/vapi/leasepool-1.vapi"))
        program = os.path.join(self.top, "hello-vala")
        self.in_prefix("valac", f"--vapidir={vapidir}", "--pkg=leasepool-1", "--fatal-warnings", "-X", "-w", "-o", program,
                       os.path.join(EXAMPLES, "hello.vala"))
        self.assertEqual(self.in_prefix(program), HELLO)

    def test_vala_with_the_vapi(self):
        need("valac")
        self.install_module()
        vapidir = os.path.dirname(self.installed("share/vala/vapi/leasepool-1.vapi"))
        program = os.path.join(self.top, "program-vapi")
        self.in_prefix("valac", f"--vapidir={vapidir}", "--pkg=leasepool-1", "--fatal-warnings", "-X", "-w", "-o", program,
                       self.write("vapi.vala", VALA_PROGRAM))
        self.assertEqual(self.in_prefix(program), "42\n")

    def test_vala_with_a_vapi_of_ones_own_from_the_gir(self):
        need("valac")
        need("vapigen")
        self.install_module()
        gir = self.installed("share/gir-1.0/Lp-1.gir")
        vapidir = os.path.join(self.top, "vapi")
        os.makedirs(vapidir, exist_ok=True)
        self.in_prefix("vapigen", "--library=leasepool-1", "--pkg=gio-2.0", f"--girdir={os.path.dirname(gir)}",
                       f"--directory={vapidir}", gir)
        # The defaults of arguments are in the installed vapi only.
        source = VALA_PROGRAM.replace("start ()", "start (null)").replace("acquire ()", "acquire (null, null)")
        source = source.replace('("answer")', '("answer", null)').replace("wait (-1)", "wait (-1, null)")
        source = source.replace("DRAIN, -1)", "DRAIN, -1, null)")
        program = os.path.join(self.top, "program-gir")
        self.in_prefix("valac", f"--vapidir={vapidir}", "--pkg=gio-2.0", "--pkg=leasepool-1", "-X", "-w", "-o", program,
                       self.write("gir.vala", source))
        self.assertEqual(self.in_prefix(program), "42\n")

    # The examples of the documentation

    def test_hello_in_c(self):
        self.assertEqual(self.in_prefix(self.compile("cc", os.path.join(EXAMPLES, "hello.c"))), HELLO)

    def test_hello_in_python(self):
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        program = os.path.join(EXAMPLES, "hello.py")
        self.assertEqual(self.in_prefix(sys.executable, "-B", program, PYTHONPATH=self.packages()), HELLO)

    def test_hello_in_gjs(self):
        need("gjs")
        self.installed(os.path.join(self.libdir, "girepository-1.0/Lp-1.typelib"))
        program = os.path.join(EXAMPLES, "hello.js")
        output = self.in_prefix("gjs", "-m", program, GJS_PATH=os.path.join(self.prefix, "share/gjs-1.0"))
        self.assertTrue(output.startswith("Hello from "), output)

    def devenv(self, *argv):
        return run(["meson", "devenv", "-C", self.build, *argv])

    def test_hello_in_python_without_installing(self):
        self.assertIn(HELLO, self.devenv(sys.executable, "-B", os.path.join(EXAMPLES, "hello.py")))

    def test_hello_in_gjs_without_installing(self):
        need("gjs")
        self.assertIn("Hello from ", self.devenv("gjs", "-m", os.path.join(EXAMPLES, "hello.js")))

    def test_hello_in_c_without_installing(self):
        self.assertIn(HELLO, self.devenv(os.path.join(self.build, "docs/examples/checksum/lp-hello")))

    def test_c_against_the_build_without_installing(self):
        need("cc")
        need("pkg-config")
        program = os.path.join(self.top, "uninstalled")
        script = 'cc -Wall -Werror -o "$1" "$2" $(pkg-config --cflags --libs leasepool-1); "$1"'
        self.assertIn(HELLO, self.devenv("sh", "-euc", script, "sh", program, os.path.join(EXAMPLES, "hello.c")))

    def test_module_of_the_demo_is_found_without_installing(self):
        program = (PYTHON_PROGRAM % '"checksum"').replace('"answer", None', '"sha256", GLib.Variant("(ay)", (b"/dev/null\\0",))')
        with self.assertRaises(AssertionError) as caught:
            self.devenv(sys.executable, "-c", program)
        # It was called: a device is what it refuses.
        self.assertIn("/dev/null", str(caught.exception))
        self.assertNotIn("Cannot load the function module", str(caught.exception))


if __name__ == "__main__":
    tap.main(590)
