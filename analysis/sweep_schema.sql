-- The database of a sweep, sweep.db: what was planned, what each run found, where it ran.
-- SQLite keeps these comments: `sqlite3 sweep.db .schema` shows them beside the columns.
-- One process writes, the one that drives the sweep; any number may read.

-- What the sweep is: one value under each name. `format` is the version of this schema, `id`
-- names the sweep in a queue, `plan` is the text of the plan file, `machine` and `build` are
-- JSON as in results.json, `engine` is local or slurm.
CREATE TABLE sweep (
    name TEXT PRIMARY KEY,
    value TEXT
);

-- One row for each run: one executable, on one trace, for one purpose.
CREATE TABLE runs (
    -- What goes in. The key is made from everything that can change the outcome: the bytes of
    -- executable and trace, the settings, for times also the machine. The same key is the same
    -- run, and is never done twice.
    key TEXT PRIMARY KEY,
    number INTEGER,         -- its place in the plan, from 1
    part INTEGER,           -- which [[runs]] of the plan it is of, from 1
    in_plan INTEGER,        -- 0: of an earlier plan or of executables that have changed since
    kind TEXT,              -- memory, times, replay, instructions, total, operations, ideal, recorded
    algorithm TEXT,
    contestant TEXT,        -- algorithm, reference (a malloc beside them), bound or recorded
    trace TEXT,             -- its name
    family TEXT,            -- its name without the seed
    seed INTEGER,           -- NULL: a file
    source TEXT,            -- JSON: the file, or generator and settings
    page_size INTEGER,      -- bytes
    page_limit INTEGER,     -- pages in the pool
    limited INTEGER,        -- 1: the plan says so; 0: room for every block
    passes INTEGER,         -- replays in the run
    turn INTEGER,           -- timed runs are repeated in turn with those of the others, from 0
    time_limit INTEGER,     -- seconds
    word INTEGER,           -- bytes in a pointer
    program_sha256 TEXT,
    preload TEXT,           -- name of a library loaded before the C library
    weight REAL,            -- about its length, in events times passes

    -- How it went.
    state TEXT,             -- waiting; done: has figures; failed: the allocator failed on it;
                            -- lost: no outcome after all attempts, --resume tries again
    failure TEXT,           -- why, where it failed or was lost
    attempts INTEGER,       -- that ended without an outcome
    log TEXT,               -- of the last such attempt: its file

    -- Where it ran.
    engine TEXT,
    host TEXT,
    cpu TEXT,
    cores INTEGER,
    memory_bytes INTEGER,   -- of the host
    kernel TEXT,
    pinned_cpu INTEGER,     -- the processor that a timed run had; NULL: not timed
    slurm_job TEXT,
    started TEXT,           -- UTC
    seconds REAL,           -- from start to end, with reading what it left
    trace_sha256 TEXT,      -- of the bytes replayed

    -- What it found; names as in results.json, with _ for the point between two. Bytes and
    -- pages are the same on every machine, times are not. NULL: not asked, or not known.
    events INTEGER,
    pages_requested INTEGER, pages_freed INTEGER, pages_in_use_at_end INTEGER,
    pages_peak INTEGER, pages_span INTEGER,
    peak_requested_bytes INTEGER, peak_page_bytes INTEGER,
    utilization_at_peak REAL, utilization_mean REAL,
    penalty REAL,           -- mean over events of (page bytes - requested) / requested
    memory_at_peak_requested INTEGER, memory_at_peak_internal INTEGER,
    memory_at_peak_external INTEGER, memory_at_peak_page_bytes INTEGER,
    memory_mean_requested REAL, memory_mean_internal REAL,
    memory_mean_external REAL, memory_mean_page_bytes REAL,
    memory_ideal_pages_at_peak INTEGER, memory_ideal_penalty REAL,
    replay_passes INTEGER, replay_min_s REAL, replay_median_s REAL, replay_ns_per_event REAL,
    replay_score REAL,      -- seconds x (1 + penalty)
    replay_probe_ns REAL,   -- a fixed piece of work beside it: longer where the core was shared
    timer_source TEXT, timer_overhead_ns REAL, timer_resolution_ns REAL,
    latency_passes INTEGER, latency_probe_ns REAL,
    latency_malloc_count INTEGER, latency_malloc_mean REAL, latency_malloc_p50 REAL,
    latency_malloc_p90 REAL, latency_malloc_p99 REAL, latency_malloc_p99_9 REAL,
    latency_malloc_max REAL,
    latency_free_count INTEGER, latency_free_mean REAL, latency_free_p50 REAL,
    latency_free_p90 REAL, latency_free_p99 REAL, latency_free_p99_9 REAL,
    latency_free_max REAL,
    instructions_malloc_count INTEGER, instructions_malloc_mean REAL,
    instructions_malloc_p50 INTEGER, instructions_malloc_worst INTEGER,
    instructions_free_count INTEGER, instructions_free_mean REAL,
    instructions_free_p50 INTEGER, instructions_free_worst INTEGER,
    operations_pages_got INTEGER, operations_pages_freed INTEGER,
    operations_splits INTEGER, operations_joins INTEGER, operations_steps INTEGER
);
CREATE INDEX runs_state ON runs (in_plan, state);

-- What a run found as a whole, compressed by zlib: JSON, as analysis/jobs.py has it, and the
-- picture of its pages. Curves and pictures are kept where the plan says `curves = true`.
CREATE TABLE outcomes (
    key TEXT PRIMARY KEY REFERENCES runs (key),
    json BLOB,
    heapmap BLOB
);

-- Of the engine slurm: an array of tasks for each submission, a number of runs for each task.
CREATE TABLE tasks (
    submission INTEGER,
    task INTEGER,           -- its number in the array, from 0
    timed INTEGER,          -- 1: has a node for itself
    runs INTEGER,
    attempt INTEGER,        -- of its runs, from 1
    slurm_job TEXT,         -- the array's number in the queue, once known
    state TEXT,             -- submitted, or left: the queue
    PRIMARY KEY (submission, task)
);
