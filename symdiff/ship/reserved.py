"""Names that are taken: by C, by POSIX, and by files that compilers and Python look for."""

from __future__ import annotations

import re
import sys

from symdiff.display.c_names import LIBRARY, MATH
from symdiff.ops import OPS
from symdiff.ops.base import Library

C_FUNCTIONS = frozenset(op.routine.symbol for op in OPS.values() if isinstance(op.routine, Library))
"""The functions of the C library that operations call."""

_FUNCTIONS = (
    "a64l accept access aio_cancel aio_error aio_fsync aio_read aio_return aio_suspend aio_write alarm alloca "
    "alphasort asctime_r bind cabsf cabsl cacosf cacoshf cacoshl cacosl cargf cargl casinf casinhf casinhl casinl "
    "catanf catanhf catanhl catanl catclose catgets catopen ccosf ccoshf ccoshl ccosl cexpf cexpl cfgetispeed "
    "cfgetospeed cfsetispeed cfsetospeed chdir chmod chown cimagf cimagl clock_getcpuclockid clock_getres "
    "clock_gettime clock_nanosleep clock_settime clogf clogl close closedir closelog confstr conjf conjl connect "
    "cpowf cpowl cprojf cprojl crealf creall creat csinf csinhf csinhl csinl csqrtf csqrtl ctanf ctanhf ctanhl "
    "ctanl ctermid ctime_r daylight dirfd dirname dlclose dlerror dlopen dlsym dprintf drand48 dup dup2 duplocale "
    "endgrent endhostent endnetent endprotoent endpwent endservent endutxent erand48 execl execle execlp execv "
    "execve execvp faccessat fchdir fchmod fchmodat fchown fchownat fcntl fdatasync fdopen fdopendir fexecve ffs "
    "fileno flockfile fmemopen fmtmsg fnmatch fork fpathconf freeaddrinfo freelocale fseeko fstat fstatat "
    "fstatvfs fsync ftello ftok ftruncate ftrylockfile ftw funlockfile futimens gai_strerror getaddrinfo "
    "getc_unlocked getchar_unlocked getcwd getdate getdate_err getdelim getegid geteuid getgid getgrent getgrgid "
    "getgrgid_r getgrnam getgrnam_r getgroups gethostbyaddr gethostbyname gethostent gethostid gethostname "
    "getitimer getline getlogin getlogin_r getnameinfo getnetbyaddr getnetbyname getnetent getopt getpeername "
    "getpgid getpgrp getpid getppid getpriority getprotobyname getprotobynumber getprotoent getpwent getpwnam "
    "getpwnam_r getpwuid getpwuid_r getrlimit getrusage getservbyname getservbyport getservent getsid getsockname "
    "getsockopt getsubopt gettimeofday getuid getutxent getutxid getutxline glob globfree gmtime_r grantpt "
    "hcreate hdestroy hsearch htonl htons iconv iconv_close iconv_open if_freenameindex if_indextoname "
    "if_nameindex if_nametoindex index inet_addr inet_lnaof inet_makeaddr inet_netof inet_network inet_ntoa "
    "inet_ntop inet_pton initstate insque isalnum_l isalpha_l isascii isatty isblank_l iscntrl_l isdigit_l "
    "isgraph_l islower_l isprint_l ispunct_l isspace_l isupper_l iswalnum_l iswalpha_l iswblank_l iswcntrl_l "
    "iswctype_l iswdigit_l iswgraph_l iswlower_l iswprint_l iswpunct_l iswspace_l iswupper_l iswxdigit_l "
    "isxdigit_l jrand48 kill killpg l64a lchown lcong48 lfind link linkat lio_listio listen localtime_r lockf "
    "lrand48 lsearch lseek lstat mbsnrtowcs memccpy mkdir mkdirat mkdtemp mkfifo mkfifoat mknod mknodat mkstemp "
    "mlock mlockall mmap mprotect mq_close mq_getattr mq_notify mq_open mq_receive mq_send mq_setattr "
    "mq_timedreceive mq_timedsend mq_unlink mrand48 msgctl msgget msgrcv msgsnd msync munlock munlockall munmap "
    "nanosleep newlocale nftw nice nl_langinfo nl_langinfo_l nrand48 ntohl ntohs open open_memstream "
    "open_wmemstream openat opendir openlog optarg opterr optind optopt pathconf pause pclose pipe poll popen "
    "pread pselect psiginfo psignal ptsname putc_unlocked putchar_unlocked putenv pututxline pwrite rand_r random "
    "read readdir readdir_r readlink readlinkat readv realpath recv recvfrom recvmsg regcomp regerror regexec "
    "regfree remque renameat rewinddir rmdir scandir sched_get_priority_max sched_get_priority_min sched_getparam "
    "sched_getscheduler sched_rr_get_interval sched_setparam sched_setscheduler sched_yield seed48 seekdir select "
    "sem_close sem_destroy sem_getvalue sem_init sem_open sem_post sem_timedwait sem_trywait sem_unlink sem_wait "
    "semctl semget semop send sendmsg sendto setegid setenv seteuid setgid setgrent sethostent setitimer "
    "setlogmask setnetent setpgid setpgrp setpriority setprotoent setpwent setregid setreuid setrlimit setservent "
    "setsid setsockopt setstate setuid setutxent shm_open shm_unlink shmat shmctl shmdt shmget shutdown sigaction "
    "sigaddset sigaltstack sigdelset sigemptyset sigfillset sighold sigignore siginterrupt sigismember siglongjmp "
    "sigpause sigpending sigprocmask sigqueue sigrelse sigset sigsuspend sigtimedwait sigwait sigwaitinfo sleep "
    "sockatmark socket socketpair srand48 srandom stat statvfs stderr stdin stdout stpcpy stpncpy strcasecmp "
    "strcasecmp_l strcoll_l strdup strerror_l strerror_r strfmon strfmon_l strftime_l strncasecmp strncasecmp_l "
    "strndup strnlen strptime strsignal strtok_r strxfrm_l swab symlink symlinkat sync sysconf syslog tcdrain "
    "tcflow tcflush tcgetattr tcgetpgrp tcgetsid tcsendbreak tcsetattr tcsetpgrp tdelete telldir tempnam tfind "
    "timer_create timer_delete timer_getoverrun timer_gettime timer_settime times timezone toascii tolower_l "
    "toupper_l towctrans_l towlower_l towupper_l truncate tsearch ttyname ttyname_r twalk tzname tzset ulimit "
    "umask uname unlink unlinkat unlockpt unsetenv uselocale utime utimensat utimes vdprintf wait waitid waitpid "
    "wcpcpy wcpncpy wcscasecmp wcscasecmp_l wcscoll_l wcsdup wcsncasecmp wcsncasecmp_l wcsnlen wcsnrtombs wcswcs "
    "wcswidth wcsxfrm_l wctrans_l wctype_l wcwidth wordexp wordfree write writev"
)
_TYPES = (
    "ACTION DIR ENTRY FILE VISIT blkcnt_t blksize_t caddr_t cc_t clock_t clockid_t cpu_set_t daddr_t dev_t div_t "
    "fd_mask fd_set fenv_t fexcept_t fpos_t fsblkcnt_t fsfilcnt_t fsid_t gid_t glob_t iconv_t id_t idtype_t "
    "imaxdiv_t in_addr_t in_port_t ino_t int_fast16_t int_fast32_t int_fast64_t int_fast8_t int_least16_t "
    "int_least32_t int_least64_t int_least8_t jmp_buf key_t ldiv_t lldiv_t locale_t loff_t mbstate_t mcontext_t "
    "mode_t mqd_t msglen_t msgqnum_t nfds_t nl_catd nl_item nlink_t off_t pid_t quad_t regex_t register_t "
    "regmatch_t regoff_t rlim_t sa_family_t sem_t shmatt_t sig_atomic_t sigevent_t siginfo_t sigjmp_buf sigset_t "
    "sigval_t socklen_t speed_t ssize_t stack_t suseconds_t tcflag_t time_t timer_t u_char u_int u_int16_t "
    "u_int32_t u_int64_t u_int8_t u_long u_quad_t u_short ucontext_t uid_t uint uint_fast16_t uint_fast32_t "
    "uint_fast64_t uint_fast8_t uint_least16_t uint_least32_t uint_least64_t uint_least8_t ulong useconds_t "
    "ushort va_list wctrans_t wctype_t wint_t wordexp_t"
)
_MACROS = (
    "BUFSIZ CHARCLASS_NAME_MAX CLOCKS_PER_SEC COLL_WEIGHTS_MAX DECIMAL_DIG DELAYTIMER_MAX E2BIG EACCES EADDRINUSE "
    "EADDRNOTAVAIL EADV EAFNOSUPPORT EAGAIN EALREADY EBADE EBADF EBADFD EBADMSG EBADR EBADRQC EBADSLT EBFONT "
    "EBUSY ECANCELED ECHILD ECHRNG ECOMM ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDEADLOCK EDESTADDRREQ EDOM "
    "EDOTDOT EDQUOT EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EHWPOISON EIDRM EILSEQ EINPROGRESS EINTR EINVAL "
    "EIO EISCONN EISDIR EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD "
    "ELIBEXEC ELIBMAX ELIBSCN ELNRNG ELOOP EMEDIUMTYPE EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENAVAIL "
    "ENETDOWN ENETRESET ENETUNREACH ENFILE ENOANO ENOBUFS ENOCSI ENODATA ENODEV ENOENT ENOEXEC ENOKEY ENOLCK "
    "ENOLINK ENOMEDIUM ENOMEM ENOMSG ENONET ENOPKG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTBLK ENOTCONN "
    "ENOTDIR ENOTEMPTY ENOTNAM ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENOTUNIQ ENXIO EOF EOPNOTSUPP EOVERFLOW "
    "EOWNERDEAD EPERM EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE EREMCHG EREMOTE EREMOTEIO "
    "ERESTART ERFKILL EROFS ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ESRCH ESRMNT ESTALE ESTRPIPE ETIME ETIMEDOUT "
    "ETOOMANYREFS ETXTBSY EUCLEAN EUNATCH EUSERS EWOULDBLOCK EXDEV EXFULL EXIT_FAILURE EXIT_SUCCESS EXPR_NEST_MAX "
    "FE_ALL_EXCEPT FE_DFL_ENV FE_DIVBYZERO FE_DOWNWARD FE_INEXACT FE_INVALID FE_OVERFLOW FE_TONEAREST "
    "FE_TOWARDZERO FE_UNDERFLOW FE_UPWARD FILENAME_MAX FOPEN_MAX F_OK HOST_NAME_MAX LC_ADDRESS LC_ADDRESS_MASK "
    "LC_ALL LC_ALL_MASK LC_COLLATE LC_COLLATE_MASK LC_CTYPE LC_CTYPE_MASK LC_GLOBAL_LOCALE LC_IDENTIFICATION "
    "LC_IDENTIFICATION_MASK LC_MEASUREMENT LC_MEASUREMENT_MASK LC_MESSAGES LC_MESSAGES_MASK LC_MONETARY "
    "LC_MONETARY_MASK LC_NAME LC_NAME_MASK LC_NUMERIC LC_NUMERIC_MASK LC_PAPER LC_PAPER_MASK LC_TELEPHONE "
    "LC_TELEPHONE_MASK LC_TIME LC_TIME_MASK LINE_MAX LOGIN_NAME_MAX L_ctermid L_tmpnam MATH_ERREXCEPT MATH_ERRNO "
    "MAX_CANON MAX_INPUT MB_CUR_MAX MB_LEN_MAX MQ_PRIO_MAX NAME_MAX NGROUPS_MAX PATH_MAX PIPE_BUF RE_DUP_MAX "
    "RTSIG_MAX R_OK SA_NOCLDSTOP SA_NOCLDWAIT SA_NODEFER SA_RESETHAND SA_RESTART SA_SIGINFO SCHED_FIFO "
    "SCHED_OTHER SCHED_RR SEEK_CUR SEEK_END SEEK_SET SEM_VALUE_MAX SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT "
    "SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGRTMAX SIGRTMIN "
    "SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM "
    "SIGWINCH SIGXCPU SIGXFSZ SIG_BLOCK SIG_DFL SIG_ERR SIG_IGN SIG_SETMASK SIG_UNBLOCK STDERR_FILENO "
    "STDIN_FILENO STDOUT_FILENO TIMER_ABSTIME TMP_MAX TTY_NAME_MAX WCONTINUED WEOF WEXITED WEXITSTATUS "
    "WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WNOHANG WNOWAIT WSTOPPED WSTOPSIG WTERMSIG WUNTRACED W_OK X_OK "
    "sa_handler sa_sigaction sched_priority sigsetjmp"
)
TAKEN = MATH | LIBRARY | C_FUNCTIONS | frozenset([*_FUNCTIONS.split(), *_TYPES.split(), *_MACROS.split()])
"""What the headers of C and of POSIX declare or define. A function of one of these names would not compile beside the
header, or take the place of theirs in a whole program."""

FAMILIES = re.compile(
    r"U?INT(8|16|32|64|MAX|PTR|_FAST\d+|_LEAST\d+)_(C|MAX|MIN)"
    r"|(PRI|SCN)[Xdioux](8|16|32|64|MAX|PTR|FAST\d+|LEAST\d+)"
    r"|(FLT|DBL|LDBL)_(DIG|EPSILON|MANT_DIG|MAX|MAX_10_EXP|MAX_EXP|MIN|MIN_10_EXP|MIN_EXP|EVAL_METHOD|RADIX|ROUNDS)"
    r"|[SU]?(CHAR|INT|SHRT|LONG|LLONG)_(BIT|MAX|MIN)"
    r"|(PTRDIFF|RAND|SIG_ATOMIC|SIZE|SSIZE|WCHAR|WINT)_(MAX|MIN)"
    r"|(pthread|posix|PTHREAD|SYMDIFF)_\w+"
)
"""Families of names that are taken: limits, formats, threads, and what headers of ours define."""

_HEADERS = (
    "aio alloca assert complex cpio ctype dirent dlfcn endian errno error fcntl features fenv float fmtmsg "
    "fnmatch ftw glob grp iconv inttypes iso646 langinfo libgen limits locale malloc math memory monetary mqueue "
    "ndbm netdb nl_types omp poll pthread pwd regex sched search semaphore setjmp signal spawn stdalign stdarg "
    "stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string strings syslog tar termios "
    "tgmath threads time trace uchar ulimit unistd utime utmpx values wait wchar wctype windows wordexp"
)
HEADERS = frozenset(_HEADERS.split())
"""The headers of compilers and systems, without `.h`: one beside it of that name would be included in its place."""

_LIBRARIES = "anl blas c dl gcc gcc_eh gcc_s gfortran lapack m mvec openblas pthread quadmath resolv rt util"
LIBRARIES = frozenset(_LIBRARIES.split())
"""What compilers and programs link by `-l`: one of that name in a folder would be linked in its place."""

MODULES = sys.stdlib_module_names | {"numpy", "scipy", "symdiff"}
"""The modules that NumPy loads: one beside a program would be loaded in its place."""


def is_taken(name: str) -> bool:
    """Whether C or POSIX has something of a name, which two underscores are reserved for, too."""
    return name in TAKEN or "__" in name or FAMILIES.fullmatch(name) is not None


def found_first(file: str) -> bool:
    """Whether a file would be found in place of one that compilers, or Python, look for."""
    name, _, kind = file.rpartition(".")
    if kind in ("a", "so", "dylib"):
        return name.removeprefix("lib") in LIBRARIES
    return name in {"h": HEADERS, "py": MODULES}.get(kind, ())
