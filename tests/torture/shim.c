/* Stands between a process and the C library: the n-th call that changes data below a folder does
 * not happen, or only half of it. The process dies in its place, or the call fails. Python arms it
 * through ctypes; a forked child is not meant, nor is a program that it executes. Each call that is
 * meant becomes a line of a log: its name and its path. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static pid_t meant;
static int count, from, to, failure, torn, journal;

/* Let the calls numbered first to last fail with this error, or kill at the first when it is 0. If
 * the first is a write, half of it is done when half is true. */
void shim_arm(const char *folder, int log, int first, int last, int error, int half)
{
    strncpy(root, folder, sizeof root - 1);
    journal = log;
    from = first;
    to = last;
    failure = error;
    torn = half;
    meant = getpid();
}

static void end(void)
{
    if (failure == 0)
        syscall(SYS_kill, meant, SIGKILL);
    errno = failure;
}

/* Return 0 when the call is to happen, 1 when it is not, 2 when half of it is if it is a write. */
static int hit(const char *call, const char *path)
{
    char line[PATH_MAX + 32];
    int number, length;

    if (strncmp(path, root, strlen(root)) != 0)
        return 0;
    number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    length = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(root));
    syscall(SYS_write, journal, line, (size_t)length);
    if (number < from || number > to)
        return 0;
    if (torn && number == from && strstr(call, "write") && !strchr(call, 'v'))
        return 2;
    end();
    return 1;
}

static int hit_open_file(const char *call, int file)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    int before = errno;

    if (meant != getpid())
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return hit(call, path);
}

static int hit_name(const char *call, int folder, const char *name)
{
    char link[64], path[2 * PATH_MAX];
    ssize_t length;
    int before = errno;

    if (meant != getpid())
        return 0;
    if (name[0] == '/')
        return hit(call, name);
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    length = readlink(link, path, PATH_MAX - 1);
    errno = before;
    if (length < 0)
        return 0;
    snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
    return hit(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define ON_OPEN_FILE(type, name, parameters, arguments) \
    type name parameters \
    { \
        return hit_open_file(#name, file) ? -1 : NEXT(name) arguments; \
    }
#define ON_WRITE(name, parameters, arguments) \
    ssize_t name parameters \
    { \
        int how = hit_open_file(#name, file); \
        ssize_t written; \
        if (how == 1) \
            return -1; \
        if (how == 2 && size > 1) \
            size /= 2; \
        written = NEXT(name) arguments; \
        if (how == 2) \
            end(); \
        return written; \
    }
#define ON_NAME(name, folder, path, parameters, arguments) \
    int name parameters \
    { \
        return hit_name(#name, folder, path) ? -1 : NEXT(name) arguments; \
    }

ON_WRITE(write, (int file, const void *data, size_t size), (file, data, size))
ON_WRITE(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
ON_WRITE(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_OPEN_FILE(ssize_t, writev, (int file, const struct iovec *parts, int n), (file, parts, n))
ON_OPEN_FILE(ssize_t, pwritev, (int file, const struct iovec *parts, int n, off_t at),
             (file, parts, n, at))
ON_OPEN_FILE(ssize_t, pwritev64, (int file, const struct iovec *parts, int n, off64_t at),
             (file, parts, n, at))
ON_OPEN_FILE(int, ftruncate, (int file, off_t size), (file, size))
ON_OPEN_FILE(int, ftruncate64, (int file, off64_t size), (file, size))
ON_OPEN_FILE(int, fsync, (int file), (file))
ON_OPEN_FILE(int, fdatasync, (int file), (file))

ON_NAME(mkdir, AT_FDCWD, path, (const char *path, mode_t mode), (path, mode))
ON_NAME(mkdirat, folder, path, (int folder, const char *path, mode_t mode), (folder, path, mode))
ON_NAME(rmdir, AT_FDCWD, path, (const char *path), (path))
ON_NAME(unlink, AT_FDCWD, path, (const char *path), (path))
ON_NAME(unlinkat, folder, path, (int folder, const char *path, int flags), (folder, path, flags))
ON_NAME(rename, AT_FDCWD, new, (const char *old, const char *new), (old, new))
ON_NAME(renameat, to_folder, new, (int folder, const char *old, int to_folder, const char *new),
        (folder, old, to_folder, new))
ON_NAME(link, AT_FDCWD, new, (const char *old, const char *new), (old, new))
ON_NAME(linkat, to_folder, new,
        (int folder, const char *old, int to_folder, const char *new, int flags),
        (folder, old, to_folder, new, flags))
ON_NAME(symlink, AT_FDCWD, new, (const char *old, const char *new), (old, new))
ON_NAME(symlinkat, folder, new, (const char *old, int folder, const char *new), (old, folder, new))

/* An open counts where it may make or empty a file. */
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define ON_OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        MODE(flags, mode) \
        if (CHANGES(flags) && hit_name(#name, AT_FDCWD, path)) \
            return -1; \
        return NEXT(name)(path, flags, mode); \
    }
#define ON_OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        MODE(flags, mode) \
        if (CHANGES(flags) && hit_name(#name, folder, path)) \
            return -1; \
        return NEXT(name)(folder, path, flags, mode); \
    }

ON_OPEN(open)
ON_OPEN(open64)
ON_OPENAT(openat)
ON_OPENAT(openat64)
