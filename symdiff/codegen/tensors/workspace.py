"""Functions in LLVM IR for memory: blocks that a kernel keeps, and operands in any strides."""

from __future__ import annotations

BLOCKS = 8
"""How many blocks of each kind a kernel keeps; calls at the same time beyond that allocate and free their own."""

ALIGNMENT = 64


def keeper(name: str, size: int) -> list[str]:
    """`take_<name>` and `give_<name>` for blocks of so many bytes, and `free_<name>`, which frees those that wait."""
    slot = f"%p = getelementptr ptr, ptr @{name}, i64 %k"
    more = [f"%m = icmp slt i64 %n, {BLOCKS}", "br i1 %m, label %look, label %end"]
    each = ["entry:", "br label %look", "look:", "%k = phi i64 [ 0, %entry ], [ %n, %next ]", slot]
    step = ["next:", "%n = add i64 %k, 1", *more]
    return [
        f"@{name} = internal global [{BLOCKS} x ptr] zeroinitializer, align 8",
        f"define internal ptr @take_{name}() #1 {{",
        *each,
        "%b = atomicrmw xchg ptr %p, ptr null acquire, align 8",
        "%z = icmp eq ptr %b, null",
        "br i1 %z, label %next, label %found",
        *step,
        f"end:\n%f = call ptr @malloc(i64 {size + ALIGNMENT})\nret ptr %f",
        "found:\nret ptr %b\n}",
        f"define internal void @give_{name}(ptr %b) #1 {{",
        *each,
        "%x = cmpxchg ptr %p, ptr null, ptr %b release monotonic, align 8",
        "%z = extractvalue { ptr, i1 } %x, 1",
        "br i1 %z, label %done, label %next",
        *step,
        "end:\ncall void @free(ptr %b)\nbr label %done\ndone:\nret void\n}",
        f"define internal void @free_{name}() #1 {{",
        *each,
        "%b = atomicrmw xchg ptr %p, ptr null acquire, align 8",
        "call void @free(ptr %b)\nbr label %next",
        *step,
        "end:\nret void\n}",
    ]


def aligned(name: str, block: str) -> list[str]:
    """The first place in a block that a vector may start at."""
    return [f"{name}.0 = ptrtoint ptr {block} to i64", f"{name}.1 = add i64 {name}.0, {ALIGNMENT - 1}",
            f"{name}.2 = and i64 {name}.1, {-ALIGNMENT}", f"{name} = inttoptr i64 {name}.2 to ptr"]  # fmt: skip


def _line(item: int) -> str:
    type_ = f"i{item * 8}"
    return f"""line{item}:
  %j{item} = phi i64 [ 0, %row ], [ %n{item}, %line{item} ]
  %o{item} = mul i64 %j{item}, %stride
  %s{item} = getelementptr i8, ptr %far, i64 %o{item}
  %d{item} = getelementptr {type_}, ptr %near, i64 %j{item}
  %from{item} = select i1 %out, ptr %d{item}, ptr %s{item}
  %to{item} = select i1 %out, ptr %s{item}, ptr %d{item}
  %v{item} = load {type_}, ptr %from{item}, align {item}
  store {type_} %v{item}, ptr %to{item}, align {item}
  %n{item} = add i64 %j{item}, 1
  %m{item} = icmp slt i64 %n{item}, %columns
  br i1 %m{item}, label %line{item}, label %row_end"""


MOVE = f"""; Copy an array of some strides to C order or (%out) back.
define internal void @move(ptr %packed, ptr %loose, ptr %strides, ptr %shape, i64 %rank, i64 %rows, i64 %item,
                           i1 %out) #1 {{
entry:
  %last = sub i64 %rank, 1
  %pc = getelementptr i64, ptr %shape, i64 %last
  %columns = load i64, ptr %pc
  %ps = getelementptr i64, ptr %strides, i64 %last
  %stride = load i64, ptr %ps
  %bytes = mul i64 %columns, %item
  br label %start
start:
  %r = phi i64 [ 0, %entry ], [ %r1, %row_end ]
  br label %axis
axis:
  %left = phi i64 [ %last, %start ], [ %a, %step ]
  %rest = phi i64 [ %r, %start ], [ %rest1, %step ]
  %offset = phi i64 [ 0, %start ], [ %offset1, %step ]
  %outer = icmp sgt i64 %left, 0
  br i1 %outer, label %step, label %row
step:
  %a = sub i64 %left, 1
  %pe = getelementptr i64, ptr %shape, i64 %a
  %extent = load i64, ptr %pe
  %index = urem i64 %rest, %extent
  %rest1 = udiv i64 %rest, %extent
  %pt = getelementptr i64, ptr %strides, i64 %a
  %far_step = load i64, ptr %pt
  %gone = mul i64 %index, %far_step
  %offset1 = add i64 %offset, %gone
  br label %axis
row:
  %far = getelementptr i8, ptr %loose, i64 %offset
  %nearby = mul i64 %r, %bytes
  %near = getelementptr i8, ptr %packed, i64 %nearby
  switch i64 %item, label %line1 [ i64 8, label %line8 i64 4, label %line4 ]
{_line(8)}
{_line(4)}
{_line(1)}
row_end:
  %r1 = add i64 %r, 1
  %more = icmp slt i64 %r1, %rows
  br i1 %more, label %start, label %done
done:
  ret void
}}"""


def look(element: str) -> str:
    """`look_<element>(ptr, i64 n)`: 1 where there is a NaN among n numbers, 2 where there is an infinity, or both."""
    mask = "0x7FF0000000000000"
    vector, conditions = f"<8 x {element}>", "<8 x i1>"
    code = "f64" if element == "double" else "f32"
    infinite = f"splat ({element} {mask})"
    return f"""define internal i32 @look_{element}(ptr %p, i64 %n) #1 {{
entry:
  %whole = and i64 %n, -8
  %many = icmp sgt i64 %whole, 0
  br i1 %many, label %wide, label %rest
wide:
  %i = phi i64 [ 0, %entry ], [ %i1, %wide ]
  %nans = phi {conditions} [ zeroinitializer, %entry ], [ %nans1, %wide ]
  %infs = phi {conditions} [ zeroinitializer, %entry ], [ %infs1, %wide ]
  %q = getelementptr {element}, ptr %p, i64 %i
  %v = load {vector}, ptr %q, align 4
  %a = call {vector} @llvm.fabs.v8{code}({vector} %v)
  %u = fcmp uno {vector} %v, %v
  %e = fcmp oeq {vector} %a, {infinite}
  %nans1 = or {conditions} %nans, %u
  %infs1 = or {conditions} %infs, %e
  %i1 = add i64 %i, 8
  %more = icmp slt i64 %i1, %whole
  br i1 %more, label %wide, label %wide_end
wide_end:
  %bn = call i1 @llvm.vector.reduce.or.v8i1({conditions} %nans1)
  %bi = call i1 @llvm.vector.reduce.or.v8i1({conditions} %infs1)
  %sn = select i1 %bn, i32 1, i32 0
  %si = select i1 %bi, i32 2, i32 0
  %s = or i32 %sn, %si
  br label %rest
rest:
  %found = phi i32 [ 0, %entry ], [ %s, %wide_end ]
  %some = icmp slt i64 %whole, %n
  br i1 %some, label %one, label %done
one:
  %k = phi i64 [ %whole, %rest ], [ %k1, %one ]
  %f = phi i32 [ %found, %rest ], [ %f1, %one ]
  %t = getelementptr {element}, ptr %p, i64 %k
  %x = load {element}, ptr %t
  %y = call {element} @llvm.fabs.{code}({element} %x)
  %xu = fcmp uno {element} %x, %x
  %xe = fcmp oeq {element} %y, {mask}
  %xn = select i1 %xu, i32 1, i32 0
  %xi = select i1 %xe, i32 2, i32 0
  %xs = or i32 %xn, %xi
  %f1 = or i32 %f, %xs
  %k1 = add i64 %k, 1
  %left = icmp slt i64 %k1, %n
  br i1 %left, label %one, label %done
done:
  %result = phi i32 [ %found, %rest ], [ %f1, %one ]
  ret i32 %result
}}"""


def look_declarations(element: str) -> list[str]:
    """What `look` needs."""
    code = "f64" if element == "double" else "f32"
    return [f"declare <8 x {element}> @llvm.fabs.v8{code}(<8 x {element}>)",
            f"declare {element} @llvm.fabs.{code}({element})",
            "declare i1 @llvm.vector.reduce.or.v8i1(<8 x i1>)"]  # fmt: skip
