"""The operations that engines name: by object, so that a record can be found by who uses it."""

from symdiff.ops.base import operation
from symdiff.ops.call import CALL
from symdiff.ops.contraction import EINSUM
from symdiff.ops.custom import CUSTOM, FOREIGN
from symdiff.ops.indexing import ARGSORT, AS_INDEX, DIAGONAL, GATHER, IOTA, SCATTER_ADD
from symdiff.ops.matrices import ADJUGATE, CHOLESKY, DET, DET_SIGN, INV, LOGDET, SOLVE, SOLVE_TRIANGULAR
from symdiff.ops.movement import BROADCAST, CONCATENATE, INDEX, RESHAPE, SCATTER, STACK, TRANSPOSE
from symdiff.ops.reduction import ALL, AMAX, AMIN, ANY, NORM, PROD, ROOT, SUM
from symdiff.ops.scan import CUMSUM, RECURRENCE
from symdiff.ops.singular_values import PACKED_SVD, PINV
from symdiff.ops.structure import CHECKPOINT, CHECKPOINT_ADJOINT, CONSTANT, INPUT, NAMED, SIZE, STOP_GRADIENT

SIGMOID = operation("sigmoid")
SOFTPLUS = operation("softplus")
RELU = operation("relu")
LOGADDEXP = operation("logaddexp")
SURROGATE = operation("surrogate")
WEIGH = operation("weigh")
ADD = operation("add")
SUB = operation("sub")
MUL = operation("mul")
DIV = operation("div")
NEG = operation("neg")
RECIPROCAL = operation("reciprocal")
SQUARE = operation("square")
INTEGER_POWER = operation("integer_power")
POW = operation("pow")
SQRT = operation("sqrt")
FMA = operation("fma")
EXP = operation("exp")
EXP2 = operation("exp2")
LOG = operation("log")
LOG1P = operation("log1p")
SIN = operation("sin")
ATAN2 = operation("atan2")
HYPOT = operation("hypot")
COSH = operation("cosh")
SECH = operation("sech")
ERFC = operation("erfc")
ABS = operation("abs")
SLOPE_OF_ABS = operation("slope_of_abs")
TRUNC = operation("trunc")
ROUND = operation("round")
MOD = operation("mod")
MIN = operation("min")
MAX = operation("max")
CLIP = operation("clip")
COPYSIGN = operation("copysign")
LESS = operation("less")
LESS_EQUAL = operation("less_equal")
GREATER = operation("greater")
GREATER_EQUAL = operation("greater_equal")
EQUAL = operation("equal")
NOT_EQUAL = operation("not_equal")
LOGICAL_AND = operation("logical_and")
LOGICAL_OR = operation("logical_or")
LOGICAL_NOT = operation("logical_not")
WHERE = operation("where")

__all__ = [
    "ABS",
    "ADD",
    "ADJUGATE",
    "ALL",
    "AMAX",
    "AMIN",
    "ANY",
    "ARGSORT",
    "AS_INDEX",
    "ATAN2",
    "BROADCAST",
    "CALL",
    "CHECKPOINT",
    "CHECKPOINT_ADJOINT",
    "CHOLESKY",
    "CLIP",
    "CONCATENATE",
    "CONSTANT",
    "COPYSIGN",
    "COSH",
    "CUMSUM",
    "CUSTOM",
    "DET",
    "DET_SIGN",
    "DIAGONAL",
    "DIV",
    "EINSUM",
    "EQUAL",
    "ERFC",
    "EXP",
    "EXP2",
    "FMA",
    "FOREIGN",
    "GATHER",
    "GREATER",
    "GREATER_EQUAL",
    "HYPOT",
    "INDEX",
    "INPUT",
    "INTEGER_POWER",
    "INV",
    "IOTA",
    "LESS",
    "LESS_EQUAL",
    "LOG",
    "LOG1P",
    "LOGADDEXP",
    "LOGDET",
    "LOGICAL_AND",
    "LOGICAL_NOT",
    "LOGICAL_OR",
    "MAX",
    "MIN",
    "MOD",
    "MUL",
    "NAMED",
    "NEG",
    "NORM",
    "NOT_EQUAL",
    "PACKED_SVD",
    "PINV",
    "POW",
    "PROD",
    "RECIPROCAL",
    "RECURRENCE",
    "RELU",
    "RESHAPE",
    "ROOT",
    "ROUND",
    "SCATTER",
    "SCATTER_ADD",
    "SECH",
    "SIGMOID",
    "SIN",
    "SIZE",
    "SLOPE_OF_ABS",
    "SOFTPLUS",
    "SOLVE",
    "SOLVE_TRIANGULAR",
    "SQRT",
    "SQUARE",
    "STACK",
    "STOP_GRADIENT",
    "SUB",
    "SUM",
    "SURROGATE",
    "TRANSPOSE",
    "TRUNC",
    "WEIGH",
    "WHERE",
]
