// Norm, activation and 2x2 (or 1x1) max pooling over given regions in one sweep, both ways: bfloat16, channels last.
// Plain C ABI, the language's own headers, GCC's and Clang's portable vectors. A vector holds 2 L bfloat16 values; as L
// 32-bit words it splits into its even and its odd values by a shift and a mask, without shuffles. The last vector of a
// row or of a pixel overlaps the one before, so that no length from 2 L on needs masks.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#if defined(L)  // given for few channels
#elif defined(__AVX512BW__)
#define L 16
#elif defined(__AVX2__)
#define L 8
#else
#define L 4
#endif

using i64 = int64_t;
using u16 = uint16_t;
using Floats = std::vector<float>;
typedef float F __attribute__((vector_size(4 * L)));
typedef int32_t I __attribute__((vector_size(4 * L)));
typedef uint32_t U __attribute__((vector_size(4 * L)));
typedef int16_t H __attribute__((vector_size(4 * L)));
typedef uint8_t B __attribute__((vector_size(2 * L)));
constexpr i64 PARTS = 32;  // of a batch; fixed, so that sums do not depend on the number of threads

struct Shape { i64 n, c, h, w, oh, ow, kh, kw, activation, batch, threads; };  // batch: the statistics are x's own
struct Data {  // x, dx: (n, h, w, c); out, winner, code, grad, slope: (n, oh, ow, c); the other floats: (c)
    const i64 *rows, *columns;  // where regions start
    const u16* x;
    const float *scale, *shift;
    float *mean, *rstd;
    u16 *out, *winner;
    uint8_t* code;  // which pixel of its region won
    const u16* grad;
    u16 *slope, *dx;
    float *dscale, *dshift;
};
struct Pair { F even, odd; };

template <class V, class T> inline V get(const T* p) { V v; memcpy(&v, p, sizeof v); return v; }
template <class V, class T> inline void put(T* p, V v) { memcpy(p, &v, sizeof v); }
inline F fill(float v) { return F{} + v; }
inline Pair split(H h) { return {(F)((U)h << 16), (F)((U)h & 0xffff0000u)}; }
inline U rounded(F v) { return (U)v + 0x7fffu + (((U)v >> 16) & 1u); }  // to the nearest, ties to even
inline H join(Pair p) { return (H)((rounded(p.even) >> 16) | (rounded(p.odd) & 0xffff0000u)); }
inline H ordered(H h) { return h ^ ((h >> 15) & 0x7fff); }  // bfloat16 to integers of the same order, and back

inline F exponential(F x) {  // 2^n times a polynomial; adding 1.5 * 2^23 rounds to a whole n in the lowest bits
    x = x < fill(-87) ? fill(-87) : x;
    x = x > fill(20) ? fill(20) : x;
    F t = x * 1.44269504f, whole = t + 12582912.f, f = t - (whole - 12582912.f);
    F p = (((f * 9.618129e-3f + 5.550411e-2f) * f + 2.402265e-1f) * f + 6.931472e-1f) * f + 1.f;
    return (F)((I)p + ((I)whole << 23));
}
struct Mish {  // x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2)
    static F value(F x) { F e = exponential(x), n = e * (e + 2.f); return x * n / (n + 2.f); }
    static F slope(F x) {
        F e = exponential(x), n = e * (e + 2.f), r = 1.f / (n + 2.f);
        return n * r + 4.f * x * (e * (e + 1.f)) * (r * r);
    }
};
struct Silu {
    static F value(F x) { return x / (1.f + exponential(-x)); }
    static F slope(F x) { F s = 1.f / (1.f + exponential(-x)); return s * (1.f + x * (1.f - s)); }
};
struct Relu {
    static F value(F x) { return x < fill(0) ? fill(0) : x; }
    static F slope(F x) { return x > fill(0) ? fill(1) : fill(0); }
};

struct Gelu {  // x / (1 + e^-u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3)
    static F gate(F x) { return 1.f / (1.f + exponential(x * (x * x * -0.07135481f - 1.59576912f))); }
    static F value(F x) { return x * gate(x); }
    static F slope(F x) { F s = gate(x); return s * (1.f + x * (1.f - s) * (x * x * 0.21406444f + 1.59576912f)); }
};
struct Identity {
    static F value(F x) { return x; }
    static F slope(F) { return fill(1); }
};

struct Row {  // values side by side, as vectors; their floats lie in slots: a vector's even ones, then its odd ones
    i64 size, vectors = (size + 2 * L - 1) / (2 * L), slots = vectors * 2 * L;
    i64 base(i64 v) const { return std::min(v * 2 * L, size - 2 * L); }
    i64 slot(i64 at) const { i64 v = at / (2 * L), o = at - base(v); return v * 2 * L + o % 2 * L + o / 2; }
    Floats spread(const float* channels, i64 c) const {
        Floats all(slots);
        for (i64 v = 0; v < vectors; v++)
            for (i64 o = 0; o < 2 * L; o++) all[v * 2 * L + o % 2 * L + o / 2] = channels[(base(v) + o) % c];
        return all;
    }
};
inline Pair pair(const Floats& all, i64 v) { return {get<F>(&all[v * 2 * L]), get<F>(&all[v * 2 * L + L])}; }
inline void put(Floats& all, i64 v, Pair p) { put(&all[v * 2 * L], p.even), put(&all[v * 2 * L + L], p.odd); }

using Work = void (*)(void*);
static void (*team)(Work, void*, unsigned, unsigned) = nullptr;

template <class Fn> void parallel(const Shape& s, Fn fn) {  // fn(part, first picture, end) for each part of the batch
    struct Job { const Shape& s; Fn& fn; std::atomic<i64> next; } job{s, fn, {0}};
    Work work = [](void* pointer) {
        Job& job = *static_cast<Job*>(pointer);
        for (i64 p; (p = job.next++) < PARTS;) job.fn(p, job.s.n * p / PARTS, job.s.n * (p + 1) / PARTS);
    };
    if (team) return team(work, &job, (unsigned)s.threads, 0);
    std::vector<std::thread> others;
    for (i64 t = 1; t < s.threads; t++) others.emplace_back(work, &job);
    work(&job);
    for (auto& other : others) other.join();
}

// Two sums per channel over rows of `width` pixels: step(vector, its first value, sums) adds a vector's terms. Floats
// add up within a picture, doubles beyond, the parts in their order.
template <class Step> std::vector<double> sums(const Shape& s, i64 height, i64 width, Step step) {
    const Row row{width * s.c};
    std::vector<double> parts(PARTS * 2 * s.c), total(2 * s.c);
    parallel(s, [&](i64 part, i64 first, i64 end) {
        std::vector<double> both(2 * row.slots);
        Floats held[2];
        for (i64 n = first; n < end; n++) {
            held[0].assign(row.slots, 0), held[1].assign(row.slots, 0);
            for (i64 r = n * height; r < (n + 1) * height; r++)
                for (i64 v = 0; v < row.vectors; v++) step(v, r * row.size + row.base(v), held);
            for (i64 k = 0; k < 2; k++)
                for (i64 i = 0; i < row.slots; i++) both[k * row.slots + i] += held[k][i];
        }
        for (i64 k = 0; k < 2; k++)
            for (i64 q = 0; q < width; q++)
                for (i64 c = 0; c < s.c; c++)
                    parts[(part * 2 + k) * s.c + c] += both[k * row.slots + row.slot(q * s.c + c)];
    });
    for (i64 part = 0; part < PARTS; part++)
        for (i64 i = 0; i < 2 * s.c; i++) total[i] += parts[part * 2 * s.c + i];
    return total;
}
inline void add(Floats* held, i64 v, Pair one, Pair two) {
    Pair a = pair(held[0], v), b = pair(held[1], v);
    put(held[0], v, {a.even + one.even, a.odd + one.odd}), put(held[1], v, {b.even + two.even, b.odd + two.odd});
}

template <class A> void forward(const Shape& s, const Data& d) {
    const Row row{s.w * s.c}, pixel{s.c};
    const Floats scales = row.spread(d.scale, s.c), shifts = row.spread(d.shift, s.c);
    auto activate = [&](const u16* from, u16* to) {
        for (i64 v = 0; v < row.vectors; v++) {
            Pair p = split(get<H>(from + row.base(v))), a = pair(scales, v), b = pair(shifts, v);
            put(to + row.base(v), ordered(join({A::value(p.even * a.even + b.even), A::value(p.odd * a.odd + b.odd)})));
        }
    };
    parallel(s, [&](i64, i64 first, i64 end) {
        std::vector<u16> buffer(2 * row.size);  // the last two rows, activated
        for (i64 n = first; n < end; n++) {
            i64 held[2] = {-1, -1};
            for (i64 i = 0; i < s.oh; i++) {
                for (i64 r = d.rows[i]; r < d.rows[i] + s.kh; r++) {
                    if (held[r & 1] != r) activate(d.x + (n * s.h + r) * row.size, &buffer[(r & 1) * row.size]);
                    held[r & 1] = r;
                }
                for (i64 j = 0; j < s.ow; j++) {
                    const u16 *y[4], *raw[4];
                    for (i64 k = 0; k < s.kh * s.kw; k++) {
                        i64 r = d.rows[i] + k / s.kw, q = (d.columns[j] + k % s.kw) * s.c;
                        y[k] = &buffer[(r & 1) * row.size + q], raw[k] = d.x + (n * s.h + r) * row.size + q;
                    }
                    const i64 o = ((n * s.oh + i) * s.ow + j) * s.c;
                    for (i64 v = 0; v < pixel.vectors; v++) {
                        const i64 c = pixel.base(v);
                        H best = get<H>(y[0] + c), won = get<H>(raw[0] + c), which{};
                        for (short k = 1; k < s.kh * s.kw; k++) {
                            H next = get<H>(y[k] + c), more = next > best;
                            best = more ? next : best, which = more ? H{} + k : which;
                            won = more ? get<H>(raw[k] + c) : won;
                        }
                        put(d.out + o + c, ordered(best));
                        if (!d.winner) continue;
                        put(d.winner + o + c, won), put(d.code + o + c, __builtin_convertvector(which, B));
                    }
                }
            }
        }
    });
}

template <class A> void backward(const Shape& s, const Data& d) {
    Floats centre(s.c);
    for (i64 c = 0; c < s.c; c++) centre[c] = -d.mean[c] * d.rstd[c];
    const Row row{s.ow * s.c}, pixel{s.c};
    const Floats scales = row.spread(d.scale, s.c), shifts = row.spread(d.shift, s.c);
    const Floats rstds = row.spread(d.rstd, s.c), centres = row.spread(centre.data(), s.c);
    auto total = sums(s, s.oh, s.ow, [&](i64 v, i64 at, Floats* held) {  // of g, the norm's gradient, and g xhat
        Pair p = split(get<H>(d.winner + at)), g = split(get<H>(d.grad + at)), a = pair(scales, v), b = pair(shifts, v);
        g.even *= A::slope(p.even * a.even + b.even), g.odd *= A::slope(p.odd * a.odd + b.odd);
        put(d.slope + at, join(g));
        Pair r = pair(rstds, v), m = pair(centres, v);
        add(held, v, g, {g.even * (p.even * r.even + m.even), g.odd * (p.odd * r.odd + m.odd)});
    });
    Floats byx(s.c), rest(s.c);  // dx = scale (g - mean(g) - xhat mean(g xhat)), as scale g + byx x + rest
    for (i64 c = 0; c < s.c; c++) {
        d.dshift[c] = (float)total[c], d.dscale[c] = (float)total[s.c + c];
        if (!s.batch) continue;
        double count = double(s.n) * s.h * s.w, one = total[c] / count, two = total[s.c + c] / count;
        byx[c] = (float)(-d.scale[c] * two * d.rstd[c]), rest[c] = (float)(-d.scale[c] * (one + two * centre[c]));
    }
    std::vector<i64> up(2 * s.h, -1), left(2 * s.w, -1);  // the region that holds a row, a column, at each offset
    for (i64 i = 0; i < s.oh * s.kh; i++) up[2 * (d.rows[i / s.kh] + i % s.kh) + i % s.kh] = i / s.kh;
    for (i64 j = 0; j < s.ow * s.kw; j++) left[2 * (d.columns[j / s.kw] + j % s.kw) + j % s.kw] = j / s.kw;
    const Floats gains = pixel.spread(d.scale, s.c), byxs = pixel.spread(byx.data(), s.c);
    const Floats rests = pixel.spread(rest.data(), s.c);
    auto gather = [&](i64 n, i64 r, i64 q) {  // a pixel's gradient from the at most four regions that it may have won
        i64 from[4], at = ((n * s.h + r) * s.w + q) * s.c;
        uint8_t offset[4];
        int found = 0;
        for (int k = 0; k < 4; k++)
            if (i64 i = up[2 * r + k / 2], j = left[2 * q + k % 2]; i >= 0 && j >= 0)
                from[found] = ((n * s.oh + i) * s.ow + j) * s.c, offset[found++] = (uint8_t)(k / 2 * s.kw + k % 2);
        for (i64 v = 0; v < pixel.vectors; v++) {
            const i64 c = pixel.base(v);
            Pair sum{F{}, F{}}, p = split(get<H>(d.x + at + c));
            Pair a = pair(gains, v), b = pair(byxs, v), z = pair(rests, v);
            for (int t = 0; t < found; t++) {
                H mine = __builtin_convertvector(get<B>(d.code + from[t] + c) == B{} + offset[t], H);
                Pair more = split(get<H>(d.slope + from[t] + c) & mine);
                sum.even += more.even, sum.odd += more.odd;
            }
            sum.even = sum.even * a.even + (p.even * b.even + z.even);
            sum.odd = sum.odd * a.odd + (p.odd * b.odd + z.odd);
            put(d.dx + at + c, join(sum));
        }
    };
    parallel(s, [&](i64, i64 first, i64 end) {
        for (i64 at = first * s.h * s.w; at < end * s.h * s.w; at++) gather(at / s.w / s.h, at / s.w % s.h, at % s.w);
    });
}

#define PICK(way) \
    (s->activation == 0 ? way<Mish> : s->activation == 1 ? way<Silu> : s->activation == 2 ? way<Relu> \
     : s->activation == 3 ? way<Gelu> : way<Identity>)(*s, *d)
extern "C" {
void use_team(void* pointer) { team = reinterpret_cast<decltype(team)>(pointer); }
void tail_forward(const Shape* s, const Data* d) { PICK(forward); }
void tail_backward(const Shape* s, const Data* d) { PICK(backward); }
void moments(const Shape* s, const Data* d, float* variance) {  // of each channel of x; the variance is biased
    auto total = sums(*s, s->h, s->w, [&](i64 v, i64 at, Floats* held) {
        Pair p = split(get<H>(d->x + at));
        add(held, v, p, {p.even * p.even, p.odd * p.odd});
    });
    for (i64 c = 0; c < s->c; c++) {
        double count = double(s->n) * s->h * s->w, m = total[c] / count, square = total[s->c + c] / count - m * m;
        d->mean[c] = (float)m, variance[c] = square < 0 ? 0.f : (float)square;
    }
}
}
