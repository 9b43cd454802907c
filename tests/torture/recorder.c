/* Notes, in one order for all processes, what is done to files and folders below one folder.
 *
 * To be loaded before a program (LD_PRELOAD). RECORD_BELOW names the folder, RECORD_TO the file of
 * notes, outside of it. A lock on that file is held around each call and its note, so that a note
 * stands where its call took effect. A note is a struct note, two paths and the bytes written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct note {
    uint8_t kind;
    uint8_t flushed; /* the bytes are on the disk when the call returns */
    uint16_t path_length, other_length;
    uint16_t unused;
    uint64_t start, length;
};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static const char *below(void) { return getenv("RECORD_BELOW"); }

static int is_below(const char *path)
{
    const char *folder = below();
    size_t length = folder ? strlen(folder) : 0;
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

/* Give the path of an open file; say whether it is below the folder. */
static int path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0 && is_below(path);
}

/* Give a name in a folder as a whole path, of which only the last part may be a link. */
static int path_at(int folder, const char *name, char *path)
{
    char joined[2 * PATH_MAX], parent[PATH_MAX], *slash;
    if (name[0] == '/')
        snprintf(joined, sizeof joined, "%s", name);
    else {
        if (folder == AT_FDCWD ? !getcwd(parent, sizeof parent) : (path_of(folder, parent), !*parent))
            return 0;
        snprintf(joined, sizeof joined, "%s/%s", parent, name);
    }
    slash = strrchr(joined, '/');
    *slash = 0;
    if (!realpath(*joined ? joined : "/", parent))
        return 0;
    snprintf(path, PATH_MAX, "%s/%s", parent, slash + 1);
    return is_below(path);
}

static int begin(void)
{
    int notes = REAL(open)(getenv("RECORD_TO"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (notes < 0 || flock(notes, LOCK_EX))
        abort();
    return notes;
}

static void end(int notes, struct note note, const char *path, const char *other,
                const struct iovec *parts, int count)
{
    struct iovec all[count + 3];
    size_t left = note.length, size = 0;
    int failure = errno;
    note.path_length = strlen(path);
    note.other_length = strlen(other);
    all[0] = (struct iovec){&note, sizeof note};
    all[1] = (struct iovec){(void *)path, note.path_length};
    all[2] = (struct iovec){(void *)other, note.other_length};
    for (int i = 0; i < count; i++) {
        size_t length = parts[i].iov_len < left ? parts[i].iov_len : left;
        all[i + 3] = (struct iovec){parts[i].iov_base, length};
        left -= length;
    }
    for (int i = 0; i < count + 3; i++)
        size += all[i].iov_len;
    if (REAL(writev)(notes, all, count + 3) != (ssize_t)size)
        abort();
    close(notes);
    errno = failure;
}

/* -- bytes */

static ssize_t written(int file, const struct iovec *parts, int count, off_t at)
{
    char path[PATH_MAX];
    struct note note = {.kind = 'w'};
    int positioned = at >= 0, flags = fcntl(file, F_GETFL);
    if (!path_of(file, path))
        return positioned ? REAL(pwritev)(file, parts, count, at) : REAL(writev)(file, parts, count);
    int notes = begin();
    ssize_t done =
        positioned ? REAL(pwritev)(file, parts, count, at) : REAL(writev)(file, parts, count);
    if (done > 0) {
        note.flushed = (flags & O_DSYNC) != 0;
        note.start = positioned ? at : lseek(file, 0, SEEK_CUR) - done;
        note.length = done;
        end(notes, note, path, "", parts, count);
    } else
        close(notes);
    return done;
}

ssize_t write(int file, const void *data, size_t length)
{
    char path[PATH_MAX];
    struct iovec part = {(void *)data, length};
    return path_of(file, path) ? written(file, &part, 1, -1) : REAL(write)(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at)
{
    struct iovec part = {(void *)data, length};
    return written(file, &part, 1, at);
}

ssize_t pwrite64(int file, const void *data, size_t length, off_t at)
{
    return pwrite(file, data, length, at);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    return written(file, parts, count, -1);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at)
{
    return written(file, parts, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t at)
{
    return written(file, parts, count, at);
}

static int noted(int (*call)(int), int file, char kind)
{
    char path[PATH_MAX];
    if (!path_of(file, path))
        return call(file);
    int notes = begin(), result = call(file);
    if (!result)
        end(notes, (struct note){.kind = kind}, path, "", NULL, 0);
    else
        close(notes);
    return result;
}

int fsync(int file) { return noted(REAL(fsync), file, 's'); }
int fdatasync(int file) { return noted(REAL(fdatasync), file, 's'); }

int ftruncate(int file, off_t length)
{
    char path[PATH_MAX];
    if (!path_of(file, path))
        return REAL(ftruncate)(file, length);
    int notes = begin(), result = REAL(ftruncate)(file, length);
    if (!result)
        end(notes, (struct note){.kind = 't', .start = length}, path, "", NULL, 0);
    else
        close(notes);
    return result;
}

int ftruncate64(int file, off_t length) { return ftruncate(file, length); }

/* -- names */

#define MODE_AFTER(flags) \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
    va_end(more);

int openat(int folder, const char *name, int flags, ...)
{
    char path[PATH_MAX];
    struct stat status;
    MODE_AFTER(flags)
    if (!(flags & (O_CREAT | O_TRUNC)) || !path_at(folder, name, path))
        return REAL(openat)(folder, name, flags, mode);
    int notes = begin(), there = !fstatat(folder, name, &status, 0);
    int file = REAL(openat)(folder, name, flags, mode);
    if (file >= 0 && !there)
        end(notes, (struct note){.kind = 'c'}, path, "", NULL, 0);
    else if (file >= 0 && flags & O_TRUNC)
        end(notes, (struct note){.kind = 't'}, path, "", NULL, 0);
    else
        close(notes);
    return file;
}

int openat64(int folder, const char *name, int flags, ...)
{
    MODE_AFTER(flags)
    return openat(folder, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    MODE_AFTER(flags)
    return openat(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    MODE_AFTER(flags)
    return openat(AT_FDCWD, name, flags, mode);
}

/* Note what a call has done to one name or two; its result is 0 where it did. */
#define NAMED(letter, folder, name, folder2, name2, call) \
    char path[PATH_MAX], other[PATH_MAX] = ""; \
    const char *second = name2; \
    int inside = path_at(folder, name, path); \
    if (second && path_at(folder2, second, other)) \
        inside = 1; \
    if (!inside) \
        return call; \
    int notes = begin(), result = call; \
    if (!result) \
        end(notes, (struct note){.kind = letter}, path, other, NULL, 0); \
    else \
        close(notes); \
    return result;

int mkdirat(int folder, const char *name, mode_t mode)
{
    NAMED('d', folder, name, 0, NULL, REAL(mkdirat)(folder, name, mode))
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int unlinkat(int folder, const char *name, int flags)
{
    NAMED('u', folder, name, 0, NULL, REAL(unlinkat)(folder, name, flags))
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int renameat(int from, const char *old, int to, const char *name)
{
    NAMED('r', from, old, to, name, REAL(renameat)(from, old, to, name))
}

int rename(const char *old, const char *name) { return renameat(AT_FDCWD, old, AT_FDCWD, name); }

int linkat(int from, const char *old, int to, const char *name, int flags)
{
    NAMED('l', from, old, to, name, REAL(linkat)(from, old, to, name, flags))
}

int link(const char *old, const char *name) { return linkat(AT_FDCWD, old, AT_FDCWD, name, 0); }
