"""Adjugates by LAPACK: the determinant times the inverse, and what stands for it where a matrix has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.codegen.tensors.blas import loop

if TYPE_CHECKING:
    from symdiff.codegen.tensors.lapack import _Writer


def write_adjugate(w: _Writer) -> None:
    """The determinant times the inverse, or where that is no number what `ops.small_matrices` has for any rank."""
    n, n2 = w.n, w.n * w.n
    w.columns = n
    w.lines.append(f"%scratch = getelementptr i8, ptr %work, i64 {w.work.scratch}")
    w.factor("%work")
    before = w.taken()
    w.scaled_product()
    w.copy("%y", "%work", n2)
    length = w.integer((w.work.total - w.work.scratch) // w.size)
    w.call("getri", [w.integer(n), "%y", w.integer(n), "%pivots", "%scratch", length, "%info"])
    w.lines += [
        *w.power_of_two("%exponent", "%two"),
        "store double 0.0, ptr %sum",
        *loop(
            "a",
            str(n2),
            [
                w.at("%a_place", "%y", "%ap"),
                f"%a_v = load {w.element}, ptr %a_place",
                *w.widened("%a_v", "%a_w"),
                "%a_1 = fmul double %a_w, %product",
                "%a_2 = fmul double %a_1, %two",
                "%a_3 = fmul double %a_2, %twob",
                *w.narrowed("%a_3", "%a_place"),
                "%a_4 = fmul double %a_3, 0.0",
                "%a_5 = load double, ptr %sum",
                "%a_6 = fadd double %a_5, %a_4",
                "store double %a_6, ptr %sum",
            ],
        ),
        "%a_sum = load double, ptr %sum",
        "%a_bad = fcmp uno double %a_sum, 0.0",
        "br i1 %a_bad, label %any_rank, label %adjugate_end",
    ]
    good = w.taken()
    _of_any_rank(w)
    singular = w.taken()
    w.lines = [
        *before,
        "br i1 %bad, label %any_rank, label %regular",
        "regular:",
        *good,
        "any_rank:",
        *singular,
        "br label %adjugate_end",
        "adjugate_end:",
    ]


def _of_any_rank(w: _Writer) -> None:
    n = w.n
    last, exponents, minimum = n - 1, "%scratch", "0x0010000000000000"
    # Rows of U are scaled to 1 … 2 at their largest; %power gets the sum of their exponents.
    w.lines += [
        f"%before = getelementptr i64, ptr %scratch, i64 {n}",
        "store i64 0, ptr %power",
        *loop(
            "s",
            str(n),
            [
                "store double 0.0, ptr %sum",
                *loop(
                    "t",
                    str(n),
                    [
                        *w.entry("%t_e", "%work", "%sp", "%tp"),
                        "%t_a = call double @llvm.fabs.f64(double %t_ew)",
                        "%t_m = load double, ptr %sum",
                        "%t_l = fcmp ogt double %t_a, %t_m",
                        "%t_n = select i1 %t_l, double %t_a, double %t_m",
                        "store double %t_n, ptr %sum",
                    ],
                    "%sp",
                ),
                "%s_most = load double, ptr %sum",
                f"%s_any = fcmp ogt double %s_most, {minimum}",
                f"%s_one = select i1 %s_any, double %s_most, double {minimum}",
                *w.mantissa("%s_one", "%s_m"),
                "%s_none = fcmp oeq double %s_most, 0.0",
                "%s_large = icmp slt i64 %s_me, 1022",
                "%s_x = select i1 %s_large, i64 %s_me, i64 1022",
                "%s_e = select i1 %s_none, i64 0, i64 %s_x",
                "%s_f = sub i64 0, %s_e",
                *w.power_of_two("%s_f", "%s_two"),
                f"%s_place = getelementptr i64, ptr {exponents}, i64 %sp",
                "store i64 %s_e, ptr %s_place",
                "%s_p = load i64, ptr %power",
                "%s_q = add i64 %s_p, %s_e",
                "store i64 %s_q, ptr %power",
                *loop(
                    "v",
                    str(n),
                    [
                        *w.entry("%v_e", "%work", "%sp", "%vp"),
                        "%v_1 = fmul double %v_ew, %s_two",
                        "%v_2 = fmul double %v_1, %s_twob",
                        *w.narrowed("%v_2", "%v_e"),
                    ],
                    "%sp",
                ),
            ],
        ),
    ]
    # The minors between two rows, from the last row up.
    w.lines += loop(
        "i",
        str(n),
        [
            f"%i = sub i64 {last}, %ip",
            *loop(
                "j",
                str(n),
                [
                    "%j_stop = add i64 %jp, 1",
                    "store double 0.0, ptr %sum",
                    "store double 1.0, ptr %sign",
                    *loop(
                        "m",
                        "%j_stop",
                        [
                            "%m_first = icmp eq i64 %mp, %i",
                            *w.entry("%m_u", "%work", "%i", "%mp"),
                            *w.entry("%m_y", "%y", "%mp", "%jp"),
                            *w.entry("%m_d", "%work", "%mp", "%mp"),
                            "%m_p = load double, ptr %sign",
                            "%m_1 = fmul double %m_uw, %m_p",
                            "%m_2 = fmul double %m_1, %m_yw",
                            "%m_3 = select i1 %m_first, double 0.0, double %m_2",
                            "%m_4 = select i1 %m_first, double 1.0, double %m_dw",
                            "%m_5 = fmul double %m_p, %m_4",
                            "store double %m_5, ptr %sign",
                            "%m_s = load double, ptr %sum",
                            "%m_t = fsub double %m_s, %m_3",
                            "store double %m_t, ptr %sum",
                        ],
                        "%i",
                    ),
                    "%j_s = load double, ptr %sum",
                    "%j_same = icmp eq i64 %jp, %i",
                    "%j_v = select i1 %j_same, double 1.0, double %j_s",
                    *w.entry("%j_y", "%y", "%i", "%jp"),
                    *w.narrowed("%j_v", "%j_y"),
                ],
                "%i",
            ),
        ],
    )
    # The products of the pivots before each, with the sign of the exchanges.
    w.lines += [
        "store double 1.0, ptr %sum",
        *loop(
            "o",
            str(n),
            [
                "%o_piv = getelementptr i32, ptr %pivots, i64 %op",
                "%o_from = load i32, ptr %o_piv",
                "%o_row = trunc i64 %op to i32",
                "%o_own = add i32 %o_row, 1",
                "%o_odd = icmp ne i32 %o_from, %o_own",
                "%o_s = load double, ptr %sum",
                "%o_n = fneg double %o_s",
                "%o_t = select i1 %o_odd, double %o_n, double %o_s",
                "store double %o_t, ptr %sum",
            ],
        ),
        *loop(
            "b",
            str(n),
            [
                "%b_place = getelementptr double, ptr %before, i64 %bp",
                "%b_s = load double, ptr %sum",
                "store double %b_s, ptr %b_place",
                *w.entry("%b_d", "%work", "%bp", "%bp"),
                "%b_t = fmul double %b_s, %b_dw",
                "store double %b_t, ptr %sum",
            ],
        ),
        "store double 1.0, ptr %sum",
        "%z_all = load i64, ptr %power",
        *loop(
            "z",
            str(n),
            [
                f"%z = sub i64 {last}, %zp",
                "%z_s = load double, ptr %sum",
                f"%z_place = getelementptr i64, ptr {exponents}, i64 %z",
                "%z_e = load i64, ptr %z_place",
                "%z_x = sub i64 %z_all, %z_e",
                *w.power_of_two("%z_x", "%z_two"),
                *loop(
                    "w",
                    str(n),
                    [
                        *w.entry("%w_y", "%y", "%wp", "%z"),
                        "%w_place = getelementptr double, ptr %before, i64 %wp",
                        "%w_b = load double, ptr %w_place",
                        "%w_1 = fmul double %w_yw, %w_b",
                        "%w_2 = fmul double %w_1, %z_s",
                        "%w_3 = fmul double %w_2, %z_two",
                        "%w_4 = fmul double %w_3, %z_twob",
                        "%w_in = icmp ule i64 %wp, %z",
                        "%w_5 = select i1 %w_in, double %w_4, double 0.0",
                        *w.narrowed("%w_5", "%w_y"),
                    ],
                ),
                *w.entry("%z_d", "%work", "%z", "%z"),
                "%z_t = fmul double %z_s, %z_dw",
                "store double %z_t, ptr %sum",
            ],
        ),
    ]
    w.trsm("L", "N", "U", "%work")
    w.exchange()
