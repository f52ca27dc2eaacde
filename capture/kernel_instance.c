/* kernel_instance.c - mounting, making and removing.
 *
 * What is undone is undone by atexit, so it also is when run_refuse ends the run. Only
 * SIGKILL and a crash leave the instance; the next recorder removes it. It may: the
 * kernel lets go of no instance that somebody is reading. */

#ifndef NO_TRACEFS

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "../driver/run.h"
#include "kernel_instance.h"

#define PREFIX "kma-"

static struct {
    const char *folder;
    struct tracefs_instance *instance;
    bool mounted; /* by us */
} own;

/* Whether the kernel's tracing is mounted anywhere. */
static bool is_mounted(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    if (mounts == NULL)
        return false;
    const struct mntent *mount;
    do {
        mount = getmntent(mounts);
    } while (mount != NULL && strcmp(mount->mnt_type, "tracefs") != 0);
    endmntent(mounts);
    return mount != NULL;
}

static void leave(void)
{
    if (own.instance != NULL && tracefs_instance_destroy(own.instance) != 0)
        run_note("%s/instances/%s cannot be removed: %s", own.folder,
                 tracefs_instance_get_name(own.instance), strerror(errno));
    tracefs_instance_free(own.instance);
    /* It stays while somebody else uses it. */
    if (own.mounted)
        umount(own.folder);
}

static void find_folder(void)
{
    char *wanted = getenv("KMA_TRACEFS");
    if (wanted != NULL) {
        if (tracefs_set_tracing_dir(wanted) != 0)
            run_refuse("%s: no memory for its name", wanted);
        own.folder = tracefs_tracing_dir();
        return;
    }
    bool before = is_mounted();
    if (!before && geteuid() != 0)
        run_refuse("recording the kernel needs root");
    own.folder = tracefs_tracing_dir();
    own.mounted = !before && is_mounted();
}

const char *instance_folder(void)
{
    char path[PATH_MAX];
    tracefs_set_loglevel(TEP_LOG_NONE);
    atexit(leave);
    find_folder();
    if (own.folder == NULL)
        run_refuse("this kernel has no tracing, or it cannot be mounted here");
    snprintf(path, sizeof path, "%s/instances", own.folder);
    if (access(path, W_OK | X_OK) == 0)
        return own.folder;
    if ((errno == EACCES || errno == EPERM) && geteuid() != 0)
        run_refuse("recording the kernel needs root: %s: %s", path, strerror(errno));
    run_refuse("%s: the kernel's tracing is not there: %s", path, strerror(errno));
}

/* The process that an instance of a recorder is named after; 0: it is of no recorder. */
static pid_t owner_of(const char *name)
{
    char *end;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return 0;
    const char *digits = name + strlen(PREFIX);
    long pid = strtol(digits, &end, 10);
    return digits[0] >= '1' && digits[0] <= '9' && *end == '\0' && pid <= INT_MAX
               ? (pid_t)pid
               : 0;
}

/* One that has our own pid is from before, too. */
static void remove_stale(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/instances", own.folder);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        pid_t pid = owner_of(entry->d_name);
        if (pid == 0 || (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH)))
            continue;
        if (unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR) == 0)
            run_note("removed %s/%s, which a recorder left when it was killed", path,
                     entry->d_name);
    }
    closedir(folder);
}

struct tracefs_instance *instance_open(void)
{
    char name[40];
    remove_stale();
    snprintf(name, sizeof name, PREFIX "%ld", (long)getpid());
    own.instance = tracefs_instance_create(name);
    if (own.instance == NULL)
        run_refuse("%s/instances/%s cannot be made: %s", own.folder, name,
                   strerror(errno));
    if (!tracefs_instance_is_new(own.instance)) {
        tracefs_instance_free(own.instance);
        own.instance = NULL;
        run_refuse("%s/instances/%s is in use", own.folder, name);
    }
    if (tracefs_trace_off(own.instance) != 0)
        run_refuse("%s/instances/%s: tracing cannot be switched off: %s", own.folder,
                   name, strerror(errno));
    return own.instance;
}

#endif
