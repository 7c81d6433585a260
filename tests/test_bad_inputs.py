"""What a user can get wrong, over all doors: one line with the value, exit code 2, nothing written, nothing hung."""

import itertools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.bad_inputs import BEGIN, prepare
from tests.helpers.doors import BYTES, SECONDS, Doors, Ended, as_process, doors

pytestmark = pytest.mark.xdist_group("bad inputs")

STUDY, GRID = "scaling/run_study.py", "scaling.finetune_grid"
EVALUATE, INSPECT, MEASURE = "scaling.evaluate", "scaling.inspection", "scaling.measure"
DEDUPLICATE, TRACKING, CLUSTERS, ANALYSIS = "scaling.deduplicate", "scaling.tracking", "clusters", "analysis"
OF_RUN = f"{GRID} --checkpoint IN/checkpoints/run --task digits --storage results"
EVALUATED = f"{EVALUATE} --checkpoint IN/checkpoints/run --data imagefolder:IN/images"
INSPECTED = f"{INSPECT} --checkpoint IN/checkpoints/run --data imagefolder:IN/images --storage rows"
LAUNCHED = f"{CLUSTERS} launch rayjob --slice h100:8 --storage gs://b/s"
ADOPTED = f"{ANALYSIS} adopt IN/runs.csv --map name=n family=f compute=c:exaFLOPs error=e"
FITTED = f"{ANALYSIS} fit IN/runs.csv --compute c --error e"

# (the last lines of a study file, what the line of the error holds): run and, with --plan, planned
STUDIES = [
    ("STUDY = of(replace(RUN, base_lr=float('inf')))", "base_lr of tiny must be finite, got inf"),
    ("STUDY = of(replace(RUN, base_lr=1e9))", "base_lr of tiny must be at most 1,000, got 1000000000.0"),
    ("STUDY = of(replace(RUN, epochs=1e30))", "epochs of tiny must be at most 1,000,000, got 1e+30"),
    ("STUDY = of(replace(RUN, epochs='1e-3'))", "epochs of Pretrain must be a number, got '1e-3'"),
    ("STUDY = of(replace(RUN, epochs=True))", "epochs of Pretrain must be a number, got True"),
    ("STUDY = of(replace(RUN, resolution=100_000))", "resolution of tiny must be at most 8,192, got 100000"),
    ("STUDY = of(replace(RUN, seed=2**80))", "an integer of 64 bits, got 1208925819614629174706176"),
    ("STUDY = of(replace(RUN, evaluations=0))", "evaluations of tiny must be positive, got 0"),
    ("STUDY = of(replace(RUN, name='a\\x1b[31mb'))", r"'a\x1b[31mb' must be printable"),
    ("STUDY = of(replace(RUN, data=Dataset('d', 'nowhere:x')))", "data URI 'nowhere:x' must be"),
    ("STUDY = of(replace(RUN, data=Dataset('d', 'parquet:/not/there')))", "/not/there"),
    (
        "STUDY = of(replace(RUN, recipe=replace(RECIPE, batch_size=8.5)))",
        "batch_size of Recipe must be an integer, got 8.5",
    ),
    (
        "STUDY = of(replace(RUN, recipe=replace(RECIPE, batch_size=1201)))",
        "batch_size of tiny must be at most the 1200 images",
    ),
    ("STUDY = of(replace(RUN, subset=7))", "batch_size of tiny must be at most the 7 images"),
    (
        "STUDY = of(replace(RUN, recipe=replace(RECIPE, warmup_steps=151)))",
        "warmup_steps of tiny must be at most its 150 steps, got 151",
    ),
    (
        "STUDY = of(task=replace(TASK, recipe=replace(TUNING, warmup_steps=7)))",
        "warmup_steps of task digits must be at most its 6",
    ),
    (
        "STUDY = of(replace(RUN, recipe=replace(RECIPE, betas=(0.9,))))",
        "betas of Recipe must be a tuple of a number and a number",
    ),
    (
        "STUDY = of(replace(RUN, recipe=replace(RECIPE, weight_decay=1e999)))",
        "weight_decay of Recipe must be finite, got inf",
    ),
    ("STUDY = of(replace(RUN, recipe=replace(RECIPE, dropout=1)))", "dropout must be in [0, 1), got 1"),
    ("STUDY = of(replace(RUN, model=ViT(8, 16, 10**9, 32, 2)))", "depth of ViT must be at most 10,000, got 1000000000"),
    ("STUDY = of(replace(RUN, model=ResNet((1,) * 60)))", "at most 8 stages, got 60"),
    (
        "STUDY = of(replace(RUN, model=Custom('not_there:x')))",
        "No module named 'not_there': its folder must be on PYTHON",
    ),
    (
        "STUDY = of(replace(RUN, model=Custom('json:x')))",
        "Custom json:x cannot be imported: AttributeError: module 'json'",
    ),
    ("STUDY = of(replace(RUN, model=Custom('torch.nn:Linear')))", "torch.nn:Linear cannot be tried at 16 pixels"),
    ("STUDY = of(replace(RUN, model=Custom('torch.nn:ReLU')))", "torch.nn:ReLU cannot be made: TypeError: "),
    ("STUDY = of(replace(RUN, model=Custom('math:hypot')))", "math:hypot must return a torch module, it returns float"),
    ("STUDY = of(replace(RUN, model=Custom(lambda k, r: k)))", "define it at the top of a module"),
    ("STUDY = of(replace(RUN, model=Custom('json:x', {'f': len})))", "option f of json:x must be a number, a text"),
    ("STUDY = of(replace(RUN, model=Custom('timm:Res Net')))", "must name a model as timm.list_models()"),
    ("STUDY = of(seeds='012')", "seeds of Study must be a tuple of an integer, got '012'"),
    ("STUDY = of(seeds=(0.5,))", "seeds of Study must be a tuple of an integer, got (0.5,)"),
    ("STUDY = of(seeds=())", "needs seeds, got none"),
    ("STUDY = of(seeds=(1, 1))", "has the same seed twice: [1, 1]"),
    ("STUDY = of(task=replace(TASK, base_lrs=()))", "must have base_lrs or a search, got neither"),
    (
        "STUDY = of(task=replace(TASK, steps=10**12))",
        "steps of digits must be at most 1,000,000,000, got 1000000000000",
    ),
    (
        "STUDY = of(task=replace(TASK, search=Search((('batch_size', Range(8.0, 64.0)),), 3)))",
        "batch_size of Recipe must be an integer, got 8.0",
    ),
    ("STUDY = of(replace(RUN, data=ifs(classes=10**6, images=10**6)))", "1,000,000,000,000 images are more than"),
    ("STUDY = of(replace(RUN, data=ifs(classes='8')))", "classes of Ifs must be an integer, got '8'"),
    ("STUDY = of(task=replace(TASK, name='../x'))", "task name '../x' must match"),
    ("import sys\nsys.exit()", "line 12 ends the process, by sys.exit(None)"),
    ("while True:\n  pass", "is not at its end after 1 s"),
    ("raise RuntimeError('one\\ntwo')", "line 11 cannot be read: RuntimeError: one two"),
    ("def f(:", "line 11: SyntaxError: invalid syntax"),
    ("STUDY = 3", "has no STUDY = Study(...): it is 3"),
    ("x = [0] * 10**11", "cannot be read: MemoryError"),
]

# (command, what the line of the error holds). IN is the folder of `prepare`; the command's own folder is empty.
COMMANDS = [
    *(
        (f"{STUDY} IN/{name} --storage results", holds)
        for name, holds in (
            ("fifo.py", "fifo.py is a FIFO, where a file is needed"),
            ("sparse.py", "sparse.py has 42,949,672,960 bytes"),
            ("folder.py", "folder.py is a directory"),
            ("none.py", "none.py not found"),
            ("runs.csv", "runs.csv must be a .py file"),
            ("fifo.json", "fifo.json is a FIFO, where a file is needed"),
            ("sparse.json", "sparse.json has 42,949,672,960 bytes"),
            ("folder.json", "folder.json"),
            ("binary.json", "binary.json: not a Study"),
            ("deep.json", "deep.json: not a Study: the whole: Invalid JSON: recursion limit exceeded"),
            ("null.json", "null.json: not a Study: the whole: Input should be an object, got None"),
            ("number.json", "number.json: not a Study: the whole: Input should be an object, got 3"),
            ("list.json", "list.json: not a Study: the whole: Input should be an object, got []"),
            ("torn.json", "torn.json: not a Study: the whole: Invalid JSON: EOF"),
        )
    ),
    *(
        (f"{STUDY} quickstart --only R-micro-S --storage {shlex.quote(place)}", holds)
        for place, holds in (
            ("", "got ''"),
            (" ", "got ' '"),
            ("file://", "'file://' has no path"),
            ("file://host/x", "'file://host/x' names a machine, 'host'"),
            ("s3://", "'s3://' names no bucket"),
            ("s3:///x", "'s3:///x' names no bucket"),
            ("gs://", "'gs://' names no bucket"),
            ("s3:/bucket/x", "'s3:/bucket/x' is no URI"),
            ("http://host/x", "'http://host/x' keeps nothing"),
            ("memory://x", "'memory://x' keeps nothing"),
            ("nowhere://x", "nowhere"),
            ("s3://[", "s3://["),
            ("/", "'/' is the root"),
            ("~nobody-here/x", "'~nobody-here/x' names a user"),
            ("IN/file", "IN/file"),
            ("IN/file/x", "IN/file/x"),
            ("IN/fifo", "IN/fifo"),
        )
    ),
    *(
        (f"{STUDY} quickstart --only R-micro-S --storage results {flags}", holds)
        for flags, holds in (
            ("--save-seconds nan", "--save-seconds must be a finite number, got 'nan'"),
            ("--save-seconds -1", "--save-seconds must be 0 to 1,000,000,000, got -1.0"),
            ("--save-seconds 1e30", "--save-seconds must be 0 to 1,000,000,000, got 1e+30"),
            ("--workers 0", "--workers must be at least 1, got 0"),
            ("--workers 1.5", "--workers must be a whole number, got '1.5'"),
            (f"--workers {2**80}", f"--workers must be a whole number of 64 bits, got {2**80}"),
            ("--min-workers 3", "--min-workers 3 is more than --workers 1"),
            ("--trial-gpus 0", "--trial-gpus must be in (0, 1], got 0"),
            ("--trial-gpus inf", "--trial-gpus must be a finite number, got 'inf'"),
            ("--max-concurrent 0", "--max-concurrent must be at least 1, got 0"),
            ("--loaders -1", "loaders must not be negative, got -1"),
            ("--loaders 1000000", "loaders of Execution must be at most 10,000, got 1000000"),
            ("--microbatch 0", "microbatch must be positive, got 0"),
            ("--precision fp8", "--precision must be one of fp32, bf16, got 'fp8'"),
            ("--only nothing", "--only 'nothing' matches none of"),
            ("--plan --hardware abacus", "unknown hardware 'abacus'"),
            ("--plan --slice v4-17", "no slice of 17 cores"),
            ("--plan --hardware h100 --utilisation 2", "utilisation must be in (0, 1], got 2"),
            ("--plan --utilisation nan", "--utilisation must be a finite number, got 'nan'"),
            ("--plan --measured s3://", "'s3://' names no bucket"),
            ("--stauts", "no flag --stauts"),
            ("--workers", "--workers must be followed by a value"),
        )
    ),
    (f"{STUDY} IN/studies/1.py --miniature", "1.py"),
    (f"{STUDY} quickstrat", "unknown study 'quickstrat'"),
    (f"{STUDY} quickstart --status --storage results", "results holds no study"),
    (f"{STUDY} quickstart --status --plan", "give --plan or --status"),
    *(
        (f"{OF_RUN} {flags}", holds)
        for flags, holds in (
            ("--base-lrs nan", "nan"),
            ("--base-lrs 0", "base_lrs of task digits must be positive, got (0.0,)"),
            ("--base-lrs 0.1 0.1", "base_lrs of task digits must differ, got (0.1, 0.1)"),
            ("--base-lrs 1e9", "base_lrs of digits must be at most 1,000, got (1000000000.0,)"),
            ("--steps -1", "--steps must be positive, got -1"),
            ("--steps 10000000000", "--steps must be at most 1,000,000,000, got 10000000000"),
            ("--batch-size 1000000", "batch_size of task digits must be at most the"),
            ("--batch-size 0", "--batch-size must be positive, got 0"),
            ("--batch-size -8", "--batch-size must be positive, got -8"),
            ("--resolution 100000", "must be at most 8,192, got 100000"),
            ("--resolution 4", "resolution 4 of task digits is below one patch"),
            ("--dev-fraction 1", "dev_fraction of task digits must be in (0, 1), got 1.0"),
            ("--dev-fraction nan", "--dev-fraction must be a finite number, got 'nan'"),
            ("--seeds 0 0", "the same seed twice: [0, 0]"),
            ("--seeds 0.5", "0.5"),
            (f"--seeds {2**80}", str(2**80)),
            ("--trials 3", "--trials does not go with a grid"),
            ("--search nothing", "unknown search 'nothing'"),
            ("--search regularization --trials 0", "trials of a tpe search must be positive, got 0"),
            ("--search regularization --search-seed -1", "seed of a search must be in [0, 2**32), got -1"),
            ("--halving 0", "first of halving must be positive, got 0"),
            ("--shots 0", "shots must be positive, got (0,)"),
            ("--shots 5 5", "shots of few-shot evaluation must differ, got (5, 5)"),
            ("--model ViT-B/16", "--model does not go with"),
            ("--vtab IN/empty", "digits"),
            ("--task vtab-dtd --vtab IN/empty", "train800val200.txt not found"),
            ("--task vtab-dtd --vtab IN/vtab", "train800val200.txt is a FIFO"),
            ("--train parquet:IN/fifo.parquet --test digits:test", "fifo.parquet"),
        )
    ),
    *(
        (f"{GRID} --task digits --storage results --checkpoint IN/{words}", holds)
        for words, holds in (
            ("none", "none is no checkpoint"),
            ("checkpoints/null", "null/spec.json: not a Pretrain"),
            ("checkpoints/fifo-spec", "spec.json is a FIFO"),
            ("checkpoints/nested", "nested/spec.json: nested too deeply"),
            ("fifo.npz --model ViT-micro-S/4", "fifo.npz"),
            ("sparse.npz --model ViT-micro-S/4", "sparse.npz"),
            ("other.npz", "other.npz does not say which model it is"),
            ("other.npz --model ViT-B16", "no model 'ViT-B16' in the zoo"),
            ("pickle.pt", "pickle.pt is no checkpoint"),
        )
    ),
    *(
        (f"{EVALUATE} --data imagefolder:IN/images --checkpoint IN/{words}", holds)
        for words, holds in (
            ("none", "none is no checkpoint"),
            ("checkpoints/null", "null/spec.json: not a Pretrain: the whole: Input should be an object, got None"),
            ("checkpoints/number", "number/spec.json: not a Pretrain: the whole: Input should be an object, got 3"),
            ("checkpoints/list", "list/spec.json: not a Pretrain: the whole: Input should be an object, got []"),
            ("checkpoints/nested", "nested/spec.json: nested too deeply"),
            ("checkpoints/deep", "depth of ViT must be at most 10,000, got 1000000000"),
            ("checkpoints/wide", "width of ViT must be at most 131,072, got 1099511627776"),
            ("checkpoints/scalar", "recipe.betas: Input should be a valid array, got 0.9"),
            ("checkpoints/infinite", "base_lr of tiny must be finite, got inf"),
            ("checkpoints/fifo-spec", "spec.json is a FIFO"),
            ("checkpoints/fifo-weights", "model.safetensors is a FIFO"),
            ("checkpoints/empty-weights", "model.safetensors"),
            ("bomb.npz --model ViT-micro-S/4", "bytes unpack to 419,430,"),
            ("sparse.npz --model ViT-micro-S/4", "sparse.npz cannot be read: it has 42,949,672,960 bytes"),
            ("sparse.safetensors --model ViT-micro-S/4", "sparse.safetensors cannot be read: it has 42,949,672,960"),
            ("fifo.npz --model ViT-micro-S/4", "fifo.npz is a FIFO"),
            ("fifo.safetensors --model ViT-micro-S/4", "fifo.safetensors is a FIFO"),
            ("folder.npz --model ViT-micro-S/4", "folder.npz is a directory"),
            ("single.npz --model ViT-micro-S/4", "single.npz cannot be read"),
            ("cut.npz --model ViT-micro-S/4", "cut.npz cannot be read"),
            ("other.npz --model ViT-micro-S/4", "other.npz has names of no layout"),
        )
    ),
    *(
        (f"{EVALUATED} {flags}", holds)
        for flags, holds in (
            ("--storage s3://", "'s3://' names no bucket"),
            ("--storage memory://", "'memory://' keeps nothing"),
            ("--labels IN/fifo.json", "fifo.json"),
            ("--labels IN/deep.json", "deep.json"),
            ("--labels IN/null.json", "null.json"),
            ("--labels IN/binary.json", "binary.json"),
            ("--classes IN/deep.json", "deep.json"),
            ("--classes IN/list.json", "list.json"),
            ("--labels IN/list.json --classes IN/list.json", "give one of them"),
            ("--resize 3", "--resize must be at least the crop's 16 pixels, got 3"),
            ("--resize 1000000", "--resize must be at most 8,192, got 1000000"),
            ("--resolution 0", "got 0"),
            ("--resolution -16", "got -16"),
            ("--resolution 100000", "got 100000"),
            ("--resolution 4", "the image is smaller than one patch (8)"),
            ("--precision half", "--precision must be one of fp32, bf16, got 'half'"),
        )
    ),
    (f"{EVALUATE} --checkpoint IN/checkpoints/run --data nowhere:x", "data URI 'nowhere:x'"),
    (f"{EVALUATE} --checkpoint IN/checkpoints/run --data parquet:IN/fifo.parquet", "fifo.parquet"),
    (f"{EVALUATE} --checkpoint IN/checkpoints/run --data parquet:IN/binary.parquet", "binary.parquet"),
    (f"{EVALUATE} --checkpoint IN/checkpoints/run --data imagefolder:IN/empty", "empty"),
    (f"{EVALUATE} --checkpoint IN/checkpoints/run --data list:IN/fifo", "fifo"),
    *(
        (f"{INSPECTED} {flags}", holds)
        for flags, holds in (
            ("--images 0", "--images must be at least 1, got 0"),
            ("--rollouts -1", "--rollouts must be at least 0, got -1"),
            ("--components 0", "--components must be at least 1, got 0"),
            ("--images nan", "--images must be a whole number, got 'nan'"),
            ("--seed -1", "--seed must not be negative, got -1"),
            ("--resolution 100000", "got 100000"),
        )
    ),
    (f"{INSPECT} --checkpoint IN/checkpoints/resnet --data imagefolder:IN/images --storage rows", "r has no attention"),
    (f"{INSPECT} --checkpoint IN/checkpoints/run --data imagefolder:IN/images --storage ''", "got ''"),
    *(
        (f"{MEASURE} {words}", holds)
        for words, holds in (
            ("", "give the models to measure"),
            ("ViT-B16", "no model 'ViT-B16' in the zoo"),
            ("ViT-micro-S/4 --resolution 0", "images of 0 pixels"),
            ("ViT-micro-S/4 --resolution 3", "images of 3 pixels are smaller than a patch"),
            ("ViT-micro-S/4 --resolution 100000", "got 100000"),
            ("ViT-micro-S/4 --seconds inf", "--seconds must be a finite number, got 'inf'"),
            ("ViT-micro-S/4 --seconds 1e9", "--seconds must be at most 3,600, got 1000000000.0"),
            ("ViT-micro-S/4 --memory -1", "--memory must be positive, got -1.0"),
            ("ViT-micro-S/4 --threads 0", "--threads must be positive, got 0"),
            (
                "ViT-micro-S/4 --num-classes 1000000000000",
                "--num-classes must be at most 10,000,000, got 1000000000000",
            ),
            ("ViT-micro-S/4 --batch-size 1000000000000", "--batch-size must be at most 1,048,576, got 1000000000000"),
            ("ViT-micro-S/4 --storage http://h/x", "'http://h/x' keeps nothing"),
            ("ViT-micro-S/4 --resolution 16 --data parquet:IN/none", "IN/none"),
        )
    ),
    *(
        (f"{DEDUPLICATE} {words}", holds)
        for words, holds in (
            ("parquet:IN/none --against digits:test --out dedup", "IN/none"),
            ("imagefolder:IN/images --against imagefolder:IN/images --out dedup", "is the upstream set"),
            (
                "imagefolder:IN/images --against digits:test --out dedup --processes 0",
                "--processes must be positive, got 0",
            ),
            ("imagefolder:IN/images --against digits:test --out ''", "got ''"),
            ("imagefolder:IN/images --against digits:test --out memory://x", "'memory://x' keeps nothing"),
        )
    ),
    (f"{TRACKING} IN/none --out board", "IN/none does not exist"),
    (f"{TRACKING} IN/empty --out board", "IN/empty holds no curve rows"),
    (f"{TRACKING} '' --out board", "got ''"),
    *(
        (f"{CLUSTERS} check IN/{name}.yaml", holds)
        for name, holds in (
            ("bomb", "bomb.yaml:7: more than 20,000 parts"),
            ("deep", "deep.yaml:1: more than 60 levels"),
            ("self", "self.yaml:1: *a holds itself"),
            ("fifo", "fifo.yaml is a FIFO"),
            ("sparse", "sparse.yaml has 42,949,672,960 bytes"),
            ("folder", "folder.yaml"),
            ("binary", "binary.yaml"),
            ("missing", "missing.yaml: No such file"),
            ("none", "none.yaml:1: this is no file of"),
            ("nothing", "nothing.yaml:1: one document is expected, there are 0"),
            ("twice", "twice.yaml:2: 'cluster_name' is given twice"),
            ("date", "date.yaml:1: not YAML"),
            ("tag", "tag.yaml:1: not YAML"),
            ("two", "two.yaml:3: one document is expected, there are 2"),
        )
    ),
    *(
        (f"{LAUNCHED} {flags}", holds)
        for flags, holds in (
            ("--image @x", "--image '@x' must begin with a letter or digit"),
            ("--image 'a b'", "--image 'a b' has a character"),
            ("--image '\U0001f600'", "--image"),
            ("--hours 0", "--hours must be positive, got 0"),
            ("--hours 1000000000", "--hours must be at most a year's 8,760, got 1000000000"),
            ("--workers 0", "--workers must be positive, got 0"),
            ("--name My_job", "--name 'My_job'"),
            ("--study ''", "--study must not be empty, got ''"),
            ("--storage s3://", "'s3://' names no bucket"),
            ("--storage results", "not results"),
            ("--out IN/fifo", "IN/fifo"),
            ("--out IN/none/x", "IN/none/x: No such file"),
            ("--out IN/folder", "IN/folder: Is a directory"),
            ("--nodes 3", "leave --nodes out"),
        )
    ),
    (f"{CLUSTERS} launch slurm --slice h100:0", "'0' is not a number of GPUs"),
    (f"{CLUSTERS} launch slurm --slice v4-17 --storage /x", "no slice of 17 cores"),
    (f"{CLUSTERS} launch slurm --hardware h100 --nodes -1", "--nodes must be positive, got -1"),
    (f"{CLUSTERS} launch slurm", "give either --slice"),
    (f"{CLUSTERS} slices ''", "unknown slice ''"),
    (f"{CLUSTERS} slices abacus:3", "unknown slice 'abacus:3'"),
    (f"{CLUSTERS} luanch", "no command luanch: did you mean launch?"),
    (f"{ANALYSIS} report IN/none", "IN/none does not exist"),
    (f"{ANALYSIS} report published", "published is not for writing into: give --out DIR"),
    (f"{ANALYSIS} report IN/empty --out s3://", "'s3://' names no bucket"),
    (f"{ANALYSIS} core-days ''", "got ''"),
    (f"{ANALYSIS} frontier gs://", "'gs://' names no bucket"),
    (f"{ANALYSIS} fit IN/fifo.csv --compute c --error e", "fifo.csv"),
    (f"{ANALYSIS} fit IN/none.csv --compute c --error e", "none.csv does not exist"),
    (f"{ANALYSIS} fit IN/nothing.csv --compute c --error e", "nothing.csv"),
    (f"{ANALYSIS} fit IN/binary.parquet --compute c --error e", "binary.parquet cannot be read"),
    (f"{ANALYSIS} fit IN/runs.csv --compute c --error x", "'x'"),
    (f"{FITTED} --level 2", "2"),
    (f"{FITTED} --level nan", "--level must be a finite number, got 'nan'"),
    (f"{FITTED} --bootstrap -1", "-1"),
    (f"{FITTED} --fix E=x", "E=x"),
    (f"{ANALYSIS} next IN/runs.csv --compute c --error e --budget 0", "0"),
    (f"{ANALYSIS} next IN/runs.csv --compute c --error e --budget inf", "--budget must be a finite number, got 'inf'"),
    (f"{ADOPTED} --out ''", "got ''"),
    (f"{ADOPTED} --out memory://x", "'memory://x' keeps nothing"),
    (f"{ADOPTED} --out http://h/x", "'http://h/x' keeps nothing"),
    (f"{ANALYSIS} adopt IN/fifo.csv --map name=n family=f compute=c:FLOPs error=e --out rows", "fifo.csv"),
    (
        f"{ANALYSIS} adopt IN/empty.csv --map name=n family=f compute=c:FLOPs error=e --out rows",
        "empty.csv holds no rows",
    ),
    (f"{ANALYSIS} adopt IN/runs.csv --map name=n family=f compute=c error=e --out rows", "has no unit"),
    (f"{ANALYSIS} adopt IN/runs.csv --map name=x family=f compute=c:FLOPs error=e --out rows", "no column 'x'"),
    (f"{ANALYSIS} reprot IN/empty", "no command reprot: did you mean report?"),
]


@dataclass(frozen=True)
class Inputs:
    """What the commands are given, and the process that runs them."""

    folder: Path
    doors: Doors

    def words(self, command: str) -> tuple[str, list[str]]:
        """The door and its arguments."""
        door, *arguments = shlex.split(command)
        return door, [word.replace("IN/", f"{self.folder}/") for word in arguments]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inputs]:
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder)
    (folder / "studies").mkdir()
    for number, (text, _) in enumerate(STUDIES):
        (folder / "studies" / f"{number}.py").write_text(BEGIN + text + "\n")
    with doors() as running:
        yield Inputs(folder, running)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """All that a folder holds: size and time of each entry."""
    entries = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {name: (about.st_size, about.st_mtime_ns) for name, about in entries.items() if "__pycache__" not in name}


def check_ended(ended: Ended, holds: str, inputs: Inputs) -> None:
    """One line of error that holds the value, exit code 2, in time and memory."""
    said = f"{ended.code} after {ended.seconds:.1f} s: {ended.out[-500:]}{ended.err[-2000:]}"
    assert ended.code == 2, said
    assert ended.err.count("\n") == 1, said
    assert ended.err.startswith("error: ") or ".yaml:" in ended.err, said
    assert holds.replace("IN/", f"{inputs.folder}/") in ended.err, said
    assert ended.out == "", said
    assert ended.seconds < SECONDS, said
    assert ended.mebibytes < BYTES / 2**20, said
    assert ended.err.rstrip("\n").isprintable(), said


RUN = [(f"{STUDY} IN/studies/{number}.py --storage results", holds) for number, (_, holds) in enumerate(STUDIES)]
ALL = [*RUN, *COMMANDS]
PLANNED = [(f"{command} --plan", holds) for command, holds in RUN]
LIGHT = (STUDY, CLUSTERS)  # doors that load little to say what is wrong
OFTEN = sorted(ALL)[::2]  # as forks, with every run of the tests; all of them as processes with the slow ones


@pytest.mark.parametrize(("command", "holds"), OFTEN, ids=[command for command, _ in OFTEN])
def test_a_mistake_is_one_line(command: str, holds: str, inputs: Inputs, tmp_path: Path) -> None:
    before = files(inputs.folder)
    check_ended(inputs.doors.run(*inputs.words(command), tmp_path), holds, inputs)
    assert list(tmp_path.iterdir()) == []
    assert files(inputs.folder) == before


def test_there_are_many_of_every_door() -> None:
    doors_of = [command.split()[0] for command, _ in ALL]
    assert len(set(ALL)) == len(ALL) >= 200
    assert len(OFTEN) >= 100
    assert {door for door, _ in itertools.groupby(sorted(doors_of))} == {
        *(STUDY, GRID, EVALUATE, INSPECT, MEASURE, DEDUPLICATE, TRACKING, CLUSTERS, ANALYSIS)
    }


FIRST = {command.split()[0]: (command, holds) for command, holds in reversed(COMMANDS)}
AS_PROCESS = [pytest.param(*FIRST[door], marks=[] if door in LIGHT else pytest.mark.slow, id=door) for door in FIRST]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "holds"), [*ALL, *PLANNED], ids=[command for command, _ in [*ALL, *PLANNED]])
def test_a_mistake_is_one_line_of_a_process(command: str, holds: str, inputs: Inputs, tmp_path: Path) -> None:
    check_ended(as_process(*inputs.words(command), tmp_path, {"STUDY_SECONDS": "1"}), holds, inputs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("command", "holds"), AS_PROCESS)
def test_a_process_says_the_same_as_a_fork(command: str, holds: str, inputs: Inputs, tmp_path: Path) -> None:
    check_ended(as_process(*inputs.words(command), tmp_path, {"STUDY_SECONDS": "1"}), holds, inputs)
    assert list(tmp_path.iterdir()) == []
