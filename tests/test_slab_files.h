/* test_slab_files.h - of test_slab.c: what object caches are for in a kernel. Its table of
 * open files had a fixed number of entries; now each is an object of the cache "file". */
#ifndef KMA_TESTS_TEST_SLAB_FILES_H
#define KMA_TESTS_TEST_SLAB_FILES_H

struct file {
    uint32_t serial;
    int32_t references;
    uint64_t inode;
    uint64_t pipe;
    uint32_t offset;
    int8_t readable, writable;
    uint16_t type;
    uint64_t check;
};

static_assert(sizeof(struct file) == 40, "about as large as a kernel's");

/* The kernel that was: a table of so many files, and no more. */
enum { OLD_LIMIT = 100, DESCRIPTORS = 16, MOST_PROCESSES = 1024 };

static struct {
    kmem_cache_t *cache;
    struct file *open[MOST_PROCESSES][DESCRIPTORS];
    uint32_t serial;
    int files, most;
} kernel;

static uint64_t check_of(const struct file *file)
{
    uint64_t state = file->serial;
    return next_random(&state) ^ file->inode;
}

static void file_is_sound(const struct file *file)
{
    assert_true(file->references > 0);
    assert_int_equal(file->inode, file->serial * 3u);
    assert_true(file->check == check_of(file));
}

static struct file *file_open(void)
{
    struct file *file = take(kernel.cache);
    memset(file, 0xee, sizeof *file);
    file->serial = ++kernel.serial;
    file->inode = file->serial * 3u;
    file->references = 1;
    file->check = check_of(file);
    kernel.files++;
    kernel.most = kernel.files > kernel.most ? kernel.files : kernel.most;
    return file;
}

static struct file *file_dup(struct file *file)
{
    file_is_sound(file);
    file->references++;
    return file;
}

static void file_close(struct file *file)
{
    file_is_sound(file);
    if (--file->references > 0)
        return;
    memset(file, 0xdd, sizeof *file);
    kmem_cache_free(kernel.cache, file);
    kernel.files--;
}

static void process_exits(int process)
{
    for (int i = 0; i < DESCRIPTORS; i++) {
        if (kernel.open[process][i] != NULL)
            file_close(kernel.open[process][i]);
        kernel.open[process][i] = NULL;
    }
}

static void process_forks(int parent, int child)
{
    if (parent == child)
        return;
    process_exits(child);
    for (int i = 0; i < DESCRIPTORS; i++) {
        struct file *file = kernel.open[parent][i];
        kernel.open[child][i] = file == NULL ? NULL : file_dup(file);
    }
}

/* The references of all files are those that the processes have. */
static void kernel_is_sound(int processes)
{
    long held = 0, counted = 0;
    for (int process = 0; process < processes; process++) {
        for (int i = 0; i < DESCRIPTORS; i++) {
            struct file *file = kernel.open[process][i];
            if (file == NULL)
                continue;
            file_is_sound(file);
            held++;
            if (file->offset != kernel.serial) { /* not seen yet */
                file->offset = kernel.serial;
                counted += file->references;
            }
        }
    }
    assert_int_equal(held, counted);
    assert_int_equal(row_of("file").active_objects, kernel.files);
    assert_int_equal(kma_audit(), 0);
    kernel.serial++;
}

/* Every process opens all it may; then they open, dup, fork and close at random; then
 * all exit, one after the other. */
static void run_kernel(int processes, int calls)
{
    for (int i = 0; i < processes * DESCRIPTORS; i++)
        kernel.open[i % processes][i / processes] = file_open();
    kernel_is_sound(processes);
    for (int call = 0; call < calls; call++) {
        int process = random_between(&seed, 0, processes - 1);
        struct file **from = kernel.open[process];
        struct file **one = &from[random_between(&seed, 0, DESCRIPTORS - 1)];
        struct file *two = from[random_between(&seed, 0, DESCRIPTORS - 1)];
        if (*one != NULL) {
            file_close(*one);
            *one = NULL;
        } else if (two != NULL && random_between(&seed, 0, 2) == 0) {
            *one = file_dup(two);
        } else {
            *one = file_open();
        }
        if (random_between(&seed, 0, 99) == 0)
            process_forks(process, random_between(&seed, 0, processes - 1));
        if (call % 20000 == 0)
            kernel_is_sound(processes);
    }
    kernel_is_sound(processes);
    for (int process = 0; process < processes; process++)
        process_exits(process);
    assert_int_equal(kernel.files, 0);
}

static void check_open_files(int processes, int calls)
{
    memset(&kernel, 0, sizeof kernel);
    assert_int_equal(pool_open(1024), 0);
    kernel.cache = create("file", sizeof(struct file), 0);
    run_kernel(processes, calls);
    assert_true(kernel.most >= processes * DESCRIPTORS);
    assert_true(kernel.most > OLD_LIMIT);
    assert_int_equal(pages_in_use(), 1);
    run_kernel(processes, calls / 10); /* once more, with the cache as it is now */
    assert_int_equal(pages_in_use(), 1);
    destroy(kernel.cache);
}

static void test_open_files(void **state)
{
    (void)state;
    seed = 8;
    check_open_files(64, 100000);
}

static void test_thousands_of_open_files(void **state)
{
    (void)state;
    seed = 9;
    check_open_files(MOST_PROCESSES, 100000);
}

/* Ten files cost a page at most, which is back when they are closed. */
static void test_ten_files_cost_a_page(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    kernel.cache = create("file", sizeof(struct file), 0);
    for (int round = 0; round < 3; round++) {
        int before = page_stats()->num_in_use;
        struct file *file[10];
        for (int i = 0; i < 10; i++)
            file[i] = file_open();
        assert_in_range(page_stats()->num_in_use - before, 0, 1);
        for (int i = 0; i < 10; i++)
            file_close(file[i]);
        assert_int_equal(page_stats()->num_in_use, before);
    }
    destroy(kernel.cache);
}

#endif
