/* A disk that fails as it is told to. Loaded into the gateway with LD_PRELOAD; concerns the ledger's file and its log alone.
 *
 * DISK_FILES    path that the names of the files begin with
 * DISK_CONTROL  file that holds one word, read at each call:
 *   well        everything works
 *   full        a write that makes a file longer gets half of its bytes in, and the next one none: ENOSPC
 *   unsynced    each sync fails with EIO, and what was written since the last good one never reaches the disk unless it is
 *               written again: so do file systems that mark pages clean whose writing failed
 *   stalled     syncs do not return until the word changes
 * DISK_FAULTS   file that gets one byte for each call that met a fault, before it waits or returns
 * DISK_PLATTER  folder with what has reached the disk: after a loss of power these are the files
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 8
#define PATH 4096

struct range { off_t from, to; };

/* What was written to a file and not synced. */
struct file {
    char path[PATH];
    struct range *ranges;
    size_t count, room;
};

static struct file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

/* True when the descriptor is one of ours; its name goes into `path`. Memory that processes share is no file of ours. */
static int is_ours(int fd, char *path) {
    static __thread int inside;
    const char *prefix = getenv("DISK_FILES");
    char link[64];
    ssize_t length;
    if (!prefix || inside || fd < 0)
        return 0;
    inside = 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, PATH - 1);
    inside = 0;
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, prefix, strlen(prefix)) == 0 && (length < 4 || strcmp(path + length - 4, "-shm") != 0);
}

static int is_told(const char *word) {
    char text[32] = "";
    int fd = open(getenv("DISK_CONTROL"), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = 0;
    close(fd);
    return strcmp(text, word) == 0;
}

static void met_a_fault(void) {
    int fd = open(getenv("DISK_FAULTS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        real_write(fd, ".", 1);
        close(fd);
    }
}

static struct file *file_of(const char *path) {
    for (int n = 0; n < FILES; n++) {
        if (!files[n].path[0])
            strcpy(files[n].path, path);
        if (strcmp(files[n].path, path) == 0)
            return &files[n];
    }
    abort();
}

static void written(const char *path, off_t from, ssize_t length) {
    if (length <= 0)
        return;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(path);
    if (file->count == file->room) {
        file->room = file->room ? file->room * 2 : 64;
        file->ranges = realloc(file->ranges, file->room * sizeof *file->ranges);
        if (!file->ranges)
            abort();
    }
    file->ranges[file->count++] = (struct range){from, from + length};
    pthread_mutex_unlock(&lock);
}

/* What was written since the last sync is on the disk now, or never will be. */
static void synced(int fd, const char *path, int reached) {
    static char buffer[1 << 16];
    char platter[2 * PATH];
    struct stat is;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(path);
    snprintf(platter, sizeof platter, "%s/%s", getenv("DISK_PLATTER"), strrchr(path, '/') + 1);
    int out = reached ? open(platter, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    for (size_t n = 0; reached && n < file->count; n++) {
        off_t at = file->ranges[n].from;
        while (at < file->ranges[n].to) {
            size_t wanted = file->ranges[n].to - at;
            ssize_t got = pread(fd, buffer, wanted < sizeof buffer ? wanted : sizeof buffer, at);
            if (got <= 0)
                break;
            if (real_pwrite(out, buffer, got, at) != got)
                abort();
            at += got;
        }
    }
    if (out >= 0) {
        if (fstat(fd, &is) != 0 || ftruncate(out, is.st_size) != 0)
            abort();
        close(out);
    }
    file->count = 0;
    pthread_mutex_unlock(&lock);
}

/* How many of the bytes there is room for: half of them, then none. */
static size_t room(int fd, off_t from, size_t length) {
    static int was_torn;
    struct stat is;
    if (!is_told("full") || fstat(fd, &is) != 0 || from + (off_t)length <= is.st_size)
        return length;
    met_a_fault();
    was_torn = !was_torn;
    return was_torn ? length / 2 : 0;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t from, int moves, const char *path) {
    size_t fits = room(fd, from, length);
    if (fits == 0 && length > 0) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t done = moves ? real_write(fd, bytes, fits) : real_pwrite(fd, bytes, fits, from);
    written(path, from, done);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH];
    if (!real_write)
        begin();
    if (!is_ours(fd, path))
        return real_write(fd, bytes, length);
    return write_at(fd, bytes, length, lseek(fd, 0, SEEK_CUR), 1, path);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t from) {
    char path[PATH];
    if (!is_ours(fd, path))
        return real_pwrite(fd, bytes, length, from);
    return write_at(fd, bytes, length, from, 0, path);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t from) {
    return pwrite64(fd, bytes, length, from);
}

static int sync_with(int fd, int (*sync)(int)) {
    char path[PATH];
    if (!is_ours(fd, path))
        return sync(fd);
    if (is_told("stalled")) {
        met_a_fault();
        struct timespec moment = {0, 5000000};
        while (is_told("stalled"))
            nanosleep(&moment, NULL);
    }
    if (is_told("unsynced")) {
        met_a_fault();
        synced(fd, path, 0);
        errno = EIO;
        return -1;
    }
    /* The files of a test need not survive the machine: what counts is what the platter holds. */
    synced(fd, path, 1);
    return 0;
}

int fsync(int fd) {
    return sync_with(fd, real_fsync);
}

int fdatasync(int fd) {
    return sync_with(fd, real_fdatasync);
}
