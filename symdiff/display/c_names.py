"""Names for C: valid in C99 and C++, none of the language's or of the standard library's, each given once."""

from __future__ import annotations

import re
import unicodedata

from symdiff.ops import OPS
from symdiff.ops.base import Library

_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register"
    " restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
    " alignas alignof and and_eq asm bitand bitor bool catch char16_t char32_t char8_t class co_await co_return"
    " co_yield compl concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export"
    " false friend mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public"
    " reinterpret_cast requires static_assert static_cast template this thread_local throw true try typeid typename"
    " typeof typeof_unqual using virtual wchar_t xor xor_eq"
)
KEYWORDS = frozenset(_KEYWORDS.split())
"""The words of C and of C++."""

_FUNCTIONS = (
    "ceil copysign fabs fdim floor fma fmax fmin frexp ilogb ldexp llrint llround logb lrint lround modf nan nearbyint"
    " nextafter nexttoward remainder remquo rint round scalbln scalbn sqrt trunc"
    " j0 j1 jn y0 y1 yn gamma drem significand exp10 pow10 sincos scalb finite lgamma_r gamma_r"
)
_LIBM = [*_FUNCTIONS.split(), *(op.routine.symbol for op in OPS.values() if isinstance(op.routine, Library))]
_OTHERS = (
    "double_t float_t fpclassify isfinite isinf isnan isnormal signbit isgreater isgreaterequal isless"
    " islessequal islessgreater isunordered math_errhandling signgam linux unix i386 NAN INFINITY HUGE HUGE_VAL"
    " HUGE_VALF HUGE_VALL NULL MAXFLOAT DOMAIN SING OVERFLOW UNDERFLOW PLOSS TLOSS FP_NAN FP_INFINITE FP_ZERO"
    " FP_SUBNORMAL FP_NORMAL FP_ILOGB0 FP_ILOGBNAN M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI"
    " M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2 offsetof size_t ptrdiff_t max_align_t int8_t int16_t int32_t int64_t"
    " uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t intmax_t uintmax_t"
)
MATH = frozenset(f"{name}{suffix}" for name in _LIBM for suffix in ("", "f", "l")) | {*_OTHERS.split()}
"""What `math.h` has, with the functions that it has beside those of C99, and words that compilers define."""

_LIBRARY = (
    "abort abs acos asctime atexit atof atoi atol atoll bsearch btowc cabs cacos cacosh calloc carg casin casinh catan"
    " catanh ccos ccosh cexp cimag clearerr clock clog conj cpow cproj creal csin csinh csqrt ctan ctanh ctime"
    " difftime div exit fclose feclearexcept fegetenv fegetexceptflag fegetround feholdexcept feof feraiseexcept"
    " ferror fesetenv fesetexceptflag fesetround fetestexcept feupdateenv fflush fgetc fgetpos fgets fgetwc fgetws"
    " fopen fprintf fputc fputs fputwc fputws fread free freopen fscanf fseek fsetpos ftell fwide fwprintf fwrite"
    " fwscanf getc getchar getenv gets getwc getwchar gmtime imaxabs imaxdiv isalnum isalpha isblank iscntrl isdigit"
    " isgraph islower isprint ispunct isspace isupper iswalnum iswalpha iswblank iswcntrl iswctype iswdigit iswgraph"
    " iswlower iswprint iswpunct iswspace iswupper iswxdigit isxdigit labs ldiv llabs lldiv localeconv localtime"
    " longjmp main malloc mblen mbrlen mbrtowc mbsinit mbsrtowcs mbstowcs mbtowc memchr memcmp memcpy memmove memset"
    " mktime perror printf putc putchar puts putwc putwchar qsort raise rand realloc remove rename rewind scanf setbuf"
    " setjmp setlocale setvbuf signal snprintf sprintf srand sscanf strcat strchr strcmp strcoll strcpy strcspn"
    " strerror strftime strlen strncat strncmp strncpy strpbrk strrchr strspn strstr strtod strtof strtoimax strtok"
    " strtol strtold strtoll strtoul strtoull strtoumax strxfrm swprintf swscanf system time tmpfile tmpnam tolower"
    " toupper towctrans towlower towupper ungetc ungetwc va_arg va_copy va_end va_start vfprintf vfscanf vfwprintf"
    " vfwscanf vprintf vscanf vsnprintf vsprintf vsscanf vswprintf vswscanf vwprintf vwscanf wcrtomb wcscat wcschr"
    " wcscmp wcscoll wcscpy wcscspn wcsftime wcslen wcsncat wcsncmp wcsncpy wcspbrk wcsrchr wcsrtombs wcsspn wcsstr"
    " wcstod wcstof wcstoimax wcstok wcstol wcstold wcstoll wcstombs wcstoul wcstoull wcstoumax wcsxfrm wctob wctomb"
    " wctrans wctype wmemchr wmemcmp wmemcpy wmemmove wmemset wprintf wscanf"
)
LIBRARY = frozenset(_LIBRARY.split())
"""The other functions of the C library, which no function of a file may be called as."""

OWN = frozenset(("in", "out", "work", "t", "i"))
"""The names that every function of ours has already."""


class CNames:
    """Names of a scope, each given once; those of the scope around it are taken, too.

    Examples
    --------
    >>> names = CNames()
    >>> [names.new(name) for name in ("q", "q", "sin", "double", "θ", "2x", "my rate")]
    ['q', 'q_2', 'sin_', 'double_', 'theta', 'x2x', 'my_rate']
    """

    def __init__(self, around: CNames | None = None) -> None:
        self.around = around
        self._used: set[str] = set()
        self._next: dict[str, int] = {}

    def new(self, wanted: str, suffix: str = "") -> str:
        """A name like `wanted`, with `suffix` where that is taken by the scope around."""
        name = c_identifier(wanted)
        if self.around is None and name in LIBRARY:
            name += "_"
        if suffix and self.around is not None and name in self.around:
            name += suffix
        if name not in self:
            self._used.add(name)
            return name
        k = self._next.get(name, 2)
        while f"{name}_{k}" in self:
            k += 1
        self._next[name] = k + 1
        self._used.add(f"{name}_{k}")
        return f"{name}_{k}"

    def take(self, name: str) -> str:
        """This very name, which nothing else gets then."""
        self._used.add(name)
        return name

    def __contains__(self, name: str) -> bool:
        return name in self._used or (self.around is not None and name in self.around)


def c_identifier(text: str) -> str:
    """A text as a name of C that is no word of the language and no function of its library."""
    letters = [c if c.isascii() else _spelled(c) for c in text]
    name = re.sub(r"_{2,}", "_", re.sub(r"\W", "_", "".join(letters), flags=re.ASCII)).strip("_") or "x"
    if name[0].isdigit():
        name = f"x{name}"
    return f"{name}_" if name in KEYWORDS or name in MATH or name in OWN else name


def _spelled(letter: str) -> str:
    """A letter in ASCII: a Greek one by its name, another without its accents or by its number."""
    word = unicodedata.name(letter, "").removeprefix("GREEK SMALL LETTER ")
    if word.isalpha() and unicodedata.name(letter, "").startswith("GREEK"):
        return "lambda" if word == "LAMDA" else word.lower()
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain if plain else f"u{ord(letter):x}"


def c_comment(text: str) -> str:
    """A text as it can stand in a comment of C."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").replace("\\", "/")
