# Runs one job class of ndscheduler's: python3 -c THIS CLASS JOB EXECUTION < ARGUMENTS (a JSON array).
# Exit codes: 0 well, 1 failed, 78 there is no such class.
import importlib
import json
import sys
import traceback
import types


class JobBase(object):
    """What classes inherit from when no ndscheduler is installed."""

    def __init__(self, job_id=None, execution_id=None, *args, **kwargs):
        self.job_id = job_id
        self.execution_id = execution_id

    @classmethod
    def create_test_instance(cls):
        return cls(None, None)

    @classmethod
    def run_job(cls, job_id, execution_id, *args, **kwargs):
        return cls(job_id, execution_id).run(*args, **kwargs)

    @classmethod
    def meta_info(cls):
        return {"job_class_string": "%s.%s" % (cls.__module__, cls.__name__), "notes": "", "arguments": [], "example_arguments": ""}

    def run(self, *args, **kwargs):
        raise NotImplementedError("Please implement this function")


def stand_in():
    try:
        importlib.import_module("ndscheduler")
        return
    except ImportError:
        pass
    names = ("ndscheduler", "ndscheduler.corescheduler", "ndscheduler.job", "ndscheduler.corescheduler.job")
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
        if child == "job":
            module.JobBase = JobBase
    modules["ndscheduler"].__path__ = []
    modules["ndscheduler.corescheduler"].__path__ = []


def load(name):
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ImportError("%s names no module" % name)
    return getattr(importlib.import_module(module), attribute)


def main(name, job_id, execution_id):
    args = json.load(sys.stdin)
    stand_in()
    try:
        cls = load(name)
    except BaseException:
        traceback.print_exc()
        return 78
    try:
        if hasattr(cls, "run_job"):
            result = cls.run_job(job_id, execution_id, *args)
        else:
            result = cls().run(*args)
        text = json.dumps(result, indent=4, sort_keys=True)
    except Exception:
        traceback.print_exc()
        return 1
    sys.stderr.flush()
    sys.stdout.write("\n--- result ---\n" + text + "\n")
    sys.stdout.flush()
    code = result.get("returncode") if isinstance(result, dict) else None
    bad = isinstance(code, int) and not isinstance(code, bool) and code != 0
    return 1 if bad or isinstance(result, dict) and result.get("error") else 0


sys.exit(main(*sys.argv[1:4]))
