// simt_rt.cpp - host SIMT executor: fibers, barriers, warp collectives, async copies, checkers.
// Build variants (same source):
//   plain : -O2                                       fast numeric tests
//   asan  : -O1 -fsanitize=address,undefined          native out-of-bounds, fibers announced to ASan
//   check : -DSIMT_CHECK=1 here WITHOUT sanitizers, kernels compiled with -fsanitize=thread; the
//           __tsan_* hooks below replace libtsan and drive a GPU-aware shadow memory.
#include "kernels/simt/host.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <random>
#include <sys/mman.h>
#include <unistd.h>
#include <pthread.h>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#ifndef SIMT_CHECK
#define SIMT_CHECK 0
#endif
#ifndef SIMT_GRAN_SHIFT
#define SIMT_GRAN_SHIFT 1      // shadow granule 2 bytes (bf16); 0 = 1 byte for kernels that store single bytes
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIMT_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define SIMT_ASAN 0
#endif

__thread simt::LaneCtx* simt_cur = nullptr;

extern "C" void simt_switch(void** save, void* to);
asm(R"(
.text
.globl simt_switch
.type simt_switch,@function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch,.-simt_switch
)");

namespace simt {
namespace {
constexpr int kMaxWarps = 32;
constexpr int GS = SIMT_GRAN_SHIFT; constexpr size_t GB = size_t(1) << GS;
constexpr size_t kShArena = 512 * 1024;   // 227 KiB + redzones
constexpr uint64_t kCanary = 0x5AFE5AFE5AFE5AFEull;

enum State : uint8_t { READY, AT_BAR, AT_WARP, AT_MBAR, DONE };
enum Op : uint8_t { OP_NONE, OP_SHFL, OP_BALLOT, OP_SYNCWARP, OP_MATCH, OP_MMA, OP_LDM };
struct CpReq { char* dst; const char* src; uint16_t bytes, sb; const char* f; int l; };
struct MmaArgs { float* d; const uint32_t *a, *b; const float* c; };

struct Lane : LaneCtx {
  void* sp; char* stk; size_t stk_sz; State st; Op op; uint8_t bar; unsigned mask, bytes; int aux, pred;
  const void* in; void* out; const char* name; const char* file; int line;
  uint64_t* mb; unsigned parity; unsigned result;
  std::vector<CpReq> cp; std::vector<uint32_t> groups; uint32_t open = 0;   // cp.async queue; sizes of committed groups; requests in the open group
  uint32_t clock; std::vector<uint32_t> vc; bool vc_used, fenced;
  void* fake; const void* dbg_site;
};
struct Warp { unsigned exist, done, waiting; };
struct Bar { int arrived, expected; const char* f; int l; int acc[3]; std::vector<uint16_t> who; std::vector<uint32_t> vc; };
struct Bulk { char* dst; const char* src; unsigned bytes; uint64_t* mb; Lane* issuer; uint32_t clock; const char* f; int l; };
struct MBar { unsigned count, pending; long tx; unsigned phase; std::vector<uint32_t> vc, next_vc; };
struct ShObj { char* site; char* p; size_t bytes; const char* name; };

// shadow of 2 bytes: last plain writer, last atomic, two readers, each with block generation and the lane's clock
struct Cell { uint32_t wgen, wclk, agen, aclk, rgen, rclk, r2clk; uint16_t wtid, atid, rtid, r2tid; uint8_t fl, multi; };
static_assert(sizeof(Cell) == 40);
enum : uint8_t { F_ALLOC = 1, F_INIT = 2, F_PENDING = 8 };

struct Site { void* pc; const char* f; int l; };
struct Rel { std::unordered_map<uint32_t, size_t> at; };   // blocks that released through this address, in order

struct Runner {
  std::vector<Lane> lanes; Warp warps[kMaxWarps]; Bar bars[16]; int n = 0, nwarps = 0, live = 0;
  std::vector<uint16_t> q; size_t qh = 0; // ready queue
  void* main_sp = nullptr; bool aborted = false;
  char* pool = nullptr; size_t pool_sz = 0, stk_sz = 0; int pool_n = 0;
  char* sh = nullptr; size_t sh_used = 0, sh_payload = 0; std::vector<ShObj> objs; char* dyn = nullptr; size_t dyn_bytes = 0;
  Cell* shc = nullptr;
  void (*entry)(void*) = nullptr; void* closure = nullptr; size_t closure_bytes = 0;
  uint32_t gen = 0, launch_gen = 0; std::vector<uint32_t> bar_vc;
  std::unordered_map<uint64_t*, MBar> mbars; std::unordered_map<const void*, Rel> rel; std::vector<std::pair<const Rel*, size_t>> acq; std::vector<Bulk> bulks;
  std::mt19937_64 rng; Stats st; uint64_t spins = 0; long cp_inflight = 0;
  const void* main_stk_lo = nullptr; size_t main_stk_sz = 0; void* main_fake = nullptr;
  ~Runner() { if (pool) munmap(pool, pool_sz); if (sh) munmap(sh, kShArena); if (shc) munmap((void*)shc, kShArena / GB * sizeof(Cell)); }
};
thread_local Runner* R = nullptr;
Options g_opt; Stats g_stats; std::mutex g_mu; std::vector<Error> g_errs; std::unordered_set<uint64_t> g_seen;
std::atomic<uint32_t> g_gen{1};
std::atomic<bool> g_stop{false};
Lane* cur() { return static_cast<Lane*>(simt_cur); }

std::string where(const Lane* l) {
  char b[160]; snprintf(b, sizeof b, "block (%u,%u,%u) thread (%u,%u,%u)", l->bid.x, l->bid.y, l->bid.z, l->tid.x, l->tid.y, l->tid.z); return b;
}
const char* base_name(const char* f) { const char* s = f ? strrchr(f, '/') : nullptr; return s ? s + 1 : f ? f : "?"; }
std::string site_str(Site s) {
  char b[256];
  if (s.f) { snprintf(b, sizeof b, "%s:%d", base_name(s.f), s.l); return b; }
  snprintf(b, sizeof b, "@%p@", s.pc); return b;   // symbolised on the host stack, see sync_and_report
}
void report(Err k, Site s, const std::string& msg) {
  std::lock_guard<std::mutex> g(g_mu);
  uint64_t key = (uint64_t)k * 0x9E3779B97F4A7C15ull ^ (s.f ? (uint64_t)(uintptr_t)s.f * 31 + s.l : (uint64_t)(uintptr_t)s.pc);
  if (!g_seen.insert(key).second || (int)g_errs.size() >= g_opt.max_errors) return;
  g_errs.push_back({k, std::string(err_name(k)) + " at " + site_str(s) + ": " + msg});
}

// ---------------------------------------------------------------- fibers
size_t stack_size() {
  static size_t s = [] { const char* e = getenv("SIMT_STACK_KB"); size_t kb = e ? atoi(e) : SIMT_ASAN ? 256 : SIMT_CHECK ? 64 : 32; return kb * 1024; }();
  return s;
}
void lane_main();
void make_pool(Runner* r, int n) {
  if (r->pool && r->pool_n >= n) return;
  if (r->pool) munmap(r->pool, r->pool_sz);
  r->stk_sz = stack_size(); r->pool_n = n; size_t huge = 2u << 20;
  r->pool_sz = n * r->stk_sz + 2 * huge;
  r->pool = (char*)mmap(nullptr, r->pool_sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (r->pool == MAP_FAILED) { perror("mmap stacks"); abort(); }
  madvise(r->pool, r->pool_sz, MADV_HUGEPAGE);
  char* base = (char*)(((uintptr_t)r->pool + huge - 1) & ~(huge - 1));
  r->lanes.clear(); r->lanes.resize(n);
  for (int i = 0; i < n; i++) { r->lanes[i].stk = base + (size_t)i * r->stk_sz; r->lanes[i].stk_sz = r->stk_sz; *(uint64_t*)r->lanes[i].stk = kCanary; }
}
void arm(Lane& l, int i) {
#if SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(l.stk, l.stk_sz);
#endif
  void** top = (void**)(((uintptr_t)l.stk + l.stk_sz - (size_t)(i * 192) % 4096) & ~(uintptr_t)15);
  *--top = nullptr; *--top = (void*)lane_main;
  for (int k = 0; k < 6; k++) *--top = nullptr;
  l.sp = top; l.fake = nullptr;
}
inline void finish_switch(Lane* me) {
#if SIMT_ASAN
  __sanitizer_finish_switch_fiber(me ? me->fake : R->main_fake, nullptr, nullptr);
#else
  (void)me;
#endif
}
inline void jump(Lane* from, Lane* to, bool dying = false) {   // to == nullptr: the scheduler's own stack
  Runner* r = R; r->st.switches++;
  simt_cur = to; void* dummy;
  if (from && *(uint64_t*)from->stk != kCanary) { fprintf(stderr, "simt: stack overflow in %s (SIMT_STACK_KB)\n", where(from).c_str()); abort(); }
#if SIMT_ASAN
  void** save = dying ? nullptr : from ? &from->fake : &r->main_fake;
  if (to) __sanitizer_start_switch_fiber(save, to->stk, to->stk_sz);
  else __sanitizer_start_switch_fiber(save, r->main_stk_lo, r->main_stk_sz);
#endif
  (void)dummy; (void)dying;
  simt_switch(from ? &from->sp : &r->main_sp, to ? to->sp : r->main_sp);
  finish_switch(from);
}
inline void push(Runner* r, Lane* l) { l->st = READY; r->q.push_back((uint16_t)l->linear); }
inline Lane* pop(Runner* r) {
  if (r->qh == r->q.size()) { r->q.clear(); r->qh = 0; return nullptr; }
  size_t i = r->qh;
  if (g_opt.order == Order::Random) { i += r->rng() % (r->q.size() - r->qh); std::swap(r->q[i], r->q[r->qh]); i = r->qh; }
  Lane* l = &r->lanes[r->q[i]]; r->qh++;
  if (r->qh > 4096) { r->q.erase(r->q.begin(), r->q.begin() + r->qh); r->qh = 0; }
  return l;
}
[[noreturn]] void abort_block() {
  Runner* r = R; r->aborted = true; jump(cur(), nullptr, true); __builtin_unreachable();
}
[[noreturn]] void fatal(Err k, Site s, const std::string& m) { report(k, s, m); abort_block(); }

bool complete_bulk(Runner* r);
void mbar_try_flip(Runner* r, uint64_t* p, MBar& m);
void stall(Runner* r) {      // nobody can run: explain who waits for what
  std::unordered_map<std::string, std::pair<int, std::string>> g;
  bool bar = false, warp = false; Site s{nullptr, nullptr, 0}; int exited = 0;
  for (int i = 0; i < r->n; i++) {
    Lane& l = r->lanes[i]; char b[300];
    if (l.st == DONE) { exited++; continue; }
    if (l.st == AT_BAR) { bar = true; snprintf(b, sizeof b, "barrier %d (%s:%d)", l.bar, base_name(l.file), l.line); }
    else if (l.st == AT_WARP) { warp = true; snprintf(b, sizeof b, "%s mask %08x (%s:%d)", l.name, l.mask, base_name(l.file), l.line); }
    else snprintf(b, sizeof b, "mbarrier wait parity %u (%s:%d)", l.parity, base_name(l.file), l.line);
    auto& e = g[b]; if (!e.first++) { char t[64]; snprintf(t, sizeof t, "(%u,%u,%u)", l.tid.x, l.tid.y, l.tid.z); e.second = t; }
    if (!s.f) s = {nullptr, l.file, l.line};
  }
  std::string m; { char b[96]; const Lane& l = r->lanes[0]; snprintf(b, sizeof b, "block (%u,%u,%u): ", l.bid.x, l.bid.y, l.bid.z); m = b; }
  for (auto& e : g) m += std::to_string(e.second.first) + " thread(s), first " + e.second.second + ", wait at " + e.first + "; ";
  if (exited) m += std::to_string(exited) + " thread(s) have exited";
  report(bar && warp ? Err::Divergence : Err::Deadlock, s, m);
}
void block_here(Lane* me) {          // me->st already says what it waits for
  Runner* r = R;
  Lane* nx = pop(r);
  while (!nx) { if (complete_bulk(r)) { nx = pop(r); continue; } stall(r); abort_block(); }
  if (nx == me) return;
  jump(me, nx);
}
void release(Runner* r, std::vector<uint16_t>& who) {
  if (g_opt.order == Order::Reverse) std::reverse(who.begin(), who.end());
  for (auto i : who) push(r, &r->lanes[i]);
  who.clear();
}

// ---------------------------------------------------------------- shadow memory (check build)
#if SIMT_CHECK
constexpr size_t kArena = 8ull << 30;
char* g_arena = nullptr; Cell* g_cells = nullptr; size_t g_arena_used = 4096;
struct GObj { char* p; size_t n; std::string name; bool live; };
std::vector<GObj> g_objs;
extern "C" char __executable_start, __data_start; extern "C" char __start_simt_const[] __attribute__((weak)), __stop_simt_const[] __attribute__((weak));
void arena_init() {
  if (g_arena) return;
  g_arena = (char*)mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  g_cells = (Cell*)mmap(nullptr, kArena / GB * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (g_arena == MAP_FAILED || g_cells == MAP_FAILED) { perror("mmap arena"); abort(); }
}
inline bool ordered(const Runner* r, const Lane* me, unsigned t, uint32_t c) {
  return r->bar_vc[t] >= c || (me->vc_used && me->vc[t] >= c);
}
std::string near_obj(Runner* r, char* a, bool shared) {
  char b[256];
  if (shared) {
    const ShObj* best = nullptr; for (auto& o : r->objs) if (o.p <= a && (!best || o.p > best->p)) best = &o;
    if (best) snprintf(b, sizeof b, "%s + %td (object has %zu bytes)", best->name, a - best->p, best->bytes); else snprintf(b, sizeof b, "before the first shared object");
  } else {
    const GObj* best = nullptr; for (auto& o : g_objs) if (o.p <= a && (!best || o.p > best->p)) best = &o;
    if (best) snprintf(b, sizeof b, "buffer '%s' + %td (size %zu bytes%s)", best->name.c_str(), a - best->p, best->n, best->live ? "" : ", freed"); else snprintf(b, sizeof b, "before the first buffer");
  }
  return b;
}
std::string tname(Runner* r, unsigned t) { char b[48]; auto& l = r->lanes[t]; snprintf(b, sizeof b, "(%u,%u,%u)", l.tid.x, l.tid.y, l.tid.z); return b; }
enum Kind { RD, WR, AT };
template <bool SH> void touch(Runner* r, Lane* me, Cell* c, char* a, unsigned n, Kind k, Site s) {
  unsigned cnt = (unsigned)((((uintptr_t)a & (GB - 1)) + n + GB - 1) >> GS);
  const uint32_t gen = r->gen, t = me->linear;
  for (unsigned i = 0; i < cnt; i++, c++) {
    char* ca = a + (i << GS);
    if (__builtin_expect(!(c->fl & F_ALLOC), 0)) {
      report(SH ? Err::SharedOOB : Err::GlobalOOB, s, where(me) + (k == RD ? " reads " : " writes ") + std::to_string(n) + " bytes at " + near_obj(r, ca, SH)); return;
    }
    if (SH && __builtin_expect(c->fl & F_PENDING, 0)) {
      report(Err::AsyncHazard, s, where(me) + (k == RD ? " reads " : " writes ") + near_obj(r, ca, SH) + " while an asynchronous copy into it is in flight"); return;
    }
    if (k != WR && !(c->fl & F_INIT)) {
      report(SH ? Err::UninitShared : Err::UninitGlobal, s, where(me) + " reads " + near_obj(r, ca, SH) + " that was never written"); c->fl |= F_INIT;
    }
    const Err race = SH ? Err::RaceShared : Err::RaceGlobal; const char* verb = k == RD ? " reads " : k == WR ? " writes " : " atomically updates ";
    auto against = [&](uint32_t g2, uint16_t tid2, uint32_t clk2, const char* did) -> bool {
      if (g2 == gen) { if (tid2 == t || ordered(r, me, tid2, clk2)) return false;
        report(race, s, where(me) + verb + near_obj(r, ca, SH) + ", " + did + " by thread " + tname(r, tid2) + " with no barrier between"); return true; }
      if (SH || g2 < r->launch_gen) return false;
      for (auto& q : r->acq) { auto it = q.first->at.find(g2); if (it != q.first->at.end() && it->second < q.second) return false; }
      report(race, s, where(me) + verb + near_obj(r, ca, SH) + ", " + did + " by another block of this launch"); return true;
    };
    if (c->wgen) against(c->wgen, c->wtid, c->wclk, "written");
    if (c->agen && k != AT) against(c->agen, c->atid, c->aclk, "atomically updated");
    if (k == RD) {
      if (c->rgen == gen) { if (c->rtid == t) c->rclk = me->clock; else { c->r2tid = (uint16_t)t; c->r2clk = me->clock; } }
      else {
        c->multi = !SH && c->rgen >= r->launch_gen;      // a global cell read by more than one block of this launch
        c->rgen = gen; c->rtid = c->r2tid = (uint16_t)t; c->rclk = c->r2clk = me->clock;
      }
    } else {
      if (c->rgen && !against(c->rgen, c->rtid, c->rclk, "read") && c->rgen == gen && !against(gen, c->r2tid, c->r2clk, "read") && c->multi)
        against(r->launch_gen, 0, 0, "read");
      if (k == WR) { c->wgen = gen; c->wtid = (uint16_t)t; c->wclk = me->clock; } else { c->agen = gen; c->atid = (uint16_t)t; c->aclk = me->clock; }
      c->fl |= F_INIT;
    }
  }
}
void access_as(Lane* me, const void* p, unsigned n, Kind k, Site s) {
  Runner* r = R; char* a = (char*)p; r->st.accesses++;
  if ((size_t)(a - me->stk) < me->stk_sz) return;
  if ((size_t)(a - (char*)me) < sizeof(LaneCtx) || a == (char*)&simt_cur) return;      // threadIdx & co.
  if ((size_t)(a - r->sh) < kShArena) { touch<true>(r, me, r->shc + ((a - r->sh) >> GS), a, n, k, s); return; }
  if ((size_t)(a - g_arena) < kArena) { touch<false>(r, me, g_cells + ((a - g_arena) >> GS), a, n, k, s); return; }
  if ((size_t)(a - (char*)r->closure) < r->closure_bytes && k == RD) return;
  if (k == RD && ((a >= &__executable_start && a < &__data_start) || (a >= __start_simt_const && a < __stop_simt_const))) return;   // constant tables, __constant__
  if ((size_t)(a - r->pool) < r->pool_sz) {
    fatal(Err::Wild, s, where(me) + " touches another thread's local memory");
  }
  char b[64]; snprintf(b, sizeof b, " %s address %p", k == RD ? "reads" : "writes", p);
  fatal(Err::Wild, s, where(me) + b + ", which is neither device memory, shared memory nor its own stack");
}
inline void access(const void* p, unsigned n, Kind k, void* pc, bool aligned) {
  Lane* me = cur(); if (!me) return;
  if (aligned && ((uintptr_t)p & (n - 1))) {
    const std::string m = where(me) + " makes a misaligned " + std::to_string(n) + "-byte access";
    if (n == 16) fatal(Err::Misaligned, {pc, nullptr, 0}, m);      // movaps would fault right after this hook
    report(Err::Misaligned, {pc, nullptr, 0}, m);
  }
  access_as(me, p, n, k, {pc, nullptr, 0});
}
void set_flags(Runner* r, char* p, size_t n, uint8_t set, uint8_t clr) {
  Cell* c; if ((size_t)(p - r->sh) < kShArena) c = r->shc + ((p - r->sh) >> GS); else if ((size_t)(p - g_arena) < kArena) c = g_cells + ((p - g_arena) >> GS); else return;
  for (size_t i = 0; i < (n + GB - 1) / GB; i++) c[i].fl = (uint8_t)((c[i].fl & ~clr) | set);
}
void stamp_write(Runner* r, Lane* me, char* p, size_t n, uint32_t clk) {
  if ((size_t)(p - r->sh) >= kShArena) return;
  Cell* c = r->shc + ((p - r->sh) >> GS);
  for (size_t i = 0; i < (n + GB - 1) / GB; i++) { c[i].wgen = r->gen; c[i].wtid = (uint16_t)me->linear; c[i].wclk = clk; c[i].fl = (uint8_t)((c[i].fl & ~F_PENDING) | F_INIT); }
}
#endif
void note(Lane* me, const void* p, unsigned n, int k, const char* f, int l) {
  (void)k;
#if SIMT_CHECK
  if ((uintptr_t)p & (n - 1)) { report(Err::Misaligned, {nullptr, f, l}, where(me) + " misaligned " + std::to_string(n) + "-byte access"); }
  access_as(me, p, n, (Kind)k, {nullptr, f, l});
  Runner* r = R;
  if (k == 2 && (size_t)((const char*)p - g_arena) < kArena && (me->fenced || r->rel.count(p))) {
    Rel& e = r->rel[p]; r->acq.push_back({&e, e.at.size()}); if (me->fenced) e.at.insert({r->gen, e.at.size()});
  }
#else
  if ((uintptr_t)p & (n - 1)) report(Err::Misaligned, {nullptr, f, l}, where(me) + " misaligned " + std::to_string(n) + "-byte access");
#endif
}
// partial synchronisation of a set of lanes: join vector clocks, advance
void vc_join(Runner* r, const uint16_t* who, int n) {
#if SIMT_CHECK
  static thread_local std::vector<uint32_t> j; j.assign(r->n, 0);
  for (int i = 0; i < n; i++) { Lane& l = r->lanes[who[i]]; if (l.vc_used) for (int k = 0; k < r->n; k++) j[k] = std::max(j[k], l.vc[k]); j[who[i]] = std::max(j[who[i]], l.clock); }
  for (int i = 0; i < n; i++) { Lane& l = r->lanes[who[i]]; l.vc = j; l.vc_used = true; l.clock++; }
#else
  (void)r; (void)who; (void)n;
#endif
}
void full_sync(Runner* r) {
#if SIMT_CHECK
  for (int i = 0; i < r->n; i++) r->bar_vc[i] = r->lanes[i].clock++;
#else
  (void)r;
#endif
}

// ---------------------------------------------------------------- barriers
void bar_complete(Runner* r, int id) {
  Bar& b = r->bars[id]; r->st.barriers++;
  for (auto i : b.who) { Lane& l = r->lanes[i]; l.result = (unsigned)b.acc[l.aux & 3]; }
  if (b.expected == 0) full_sync(r);
#if SIMT_CHECK
  else for (auto i : b.who) { Lane& l = r->lanes[i]; if (!l.vc_used) { l.vc.assign(r->n, 0); l.vc_used = true; } for (int k = 0; k < r->n; k++) l.vc[k] = std::max(l.vc[k], b.vc[k]); }
#endif
  b.vc.clear();
  b.arrived = 0; b.acc[0] = 0; b.acc[1] = 1; b.acc[2] = 0; b.f = nullptr;
  release(r, b.who);
}
void bar_wait(int id, int count, int op, int pred, bool wait, const char* f, int l) {
  Runner* r = R; Lane* me = cur(); Bar& b = r->bars[id];
  if (b.arrived == 0) { b.f = f; b.l = l; b.expected = count; }
  else if (count == 0 && (b.f != f || b.l != l)) {
    char m[256]; snprintf(m, sizeof m, ", but %d thread(s) of the block wait at %s:%d, first (%u,%u,%u)", b.arrived, base_name(b.f), b.l, r->lanes[b.who[0]].tid.x, r->lanes[b.who[0]].tid.y, r->lanes[b.who[0]].tid.z);
    fatal(Err::DivergentBarrier, {nullptr, f, l}, where(me) + " is at this barrier" + m);
  }
  b.arrived++; b.acc[0] += pred != 0; b.acc[1] &= pred != 0; b.acc[2] |= pred != 0;
  int need = count ? count : r->live;
#if SIMT_CHECK
  if (count) { if ((int)b.vc.size() != r->n) b.vc.assign(r->n, 0); if (me->vc_used) for (int k = 0; k < r->n; k++) b.vc[k] = std::max(b.vc[k], me->vc[k]); b.vc[me->linear] = std::max(b.vc[me->linear], me->clock); for (int k = 0; k < r->n; k++) b.vc[k] = std::max(b.vc[k], r->bar_vc[k]); me->clock++; }
#endif
  me->st = AT_BAR; me->bar = (uint8_t)id; me->file = f; me->line = l; me->aux = op; 
  if (wait) b.who.push_back((uint16_t)me->linear);
  if (b.arrived == need) {
    if (count == 0 && r->live != r->n && g_opt.exit_at_barrier_is_error)
      report(Err::ExitAtBarrier, {nullptr, f, l}, where(me) + ": barrier passed although " + std::to_string(r->n - r->live) + " thread(s) of the block have exited");
    bar_complete(r, id);
    if (!wait) { me->st = READY; return; }
    block_here(me);   // it was put back into the queue with the others: order is the scheduler's choice
  } else if (wait) block_here(me);
  else me->st = READY;
}

// ---------------------------------------------------------------- warp collectives
void poison(void* p, size_t n) { memset(p, 0xFF, n); }
void do_mma(Runner* r, Warp& w, int wbase);
void do_ldm(Runner* r, int wbase);
void complete_warp(Runner* r, Lane* me, Warp& w, unsigned need) {
  int base = (int)me->warp * 32; r->st.warp_ops++;
  switch (me->op) {
    case OP_SHFL:
      for (int i = 0; i < 32; i++) if (need >> i & 1) {
        Lane& l = r->lanes[base + i]; int s = l.aux;
        if (s >= 0 && s < 32 && (need >> s & 1)) memcpy(l.out, r->lanes[base + s].in, l.bytes);
        else { poison(l.out, l.bytes); report(Err::BadLane, {nullptr, l.file, l.line}, where(&l) + " " + l.name + " reads lane " + std::to_string(s) + " which is not in the mask or does not exist"); }
      } break;
    case OP_BALLOT: { unsigned v = 0; for (int i = 0; i < 32; i++) if (need >> i & 1) v |= (unsigned)(r->lanes[base + i].pred != 0) << i;
      for (int i = 0; i < 32; i++) { if (need >> i & 1) r->lanes[base + i].result = v; }
      break; }
    case OP_MATCH:
      for (int i = 0; i < 32; i++) if (need >> i & 1) { unsigned v = 0; for (int j = 0; j < 32; j++) if ((need >> j & 1) && !memcmp(r->lanes[base + i].in, r->lanes[base + j].in, 8)) v |= 1u << j; r->lanes[base + i].result = v; }
      break;
    case OP_SYNCWARP: { uint16_t who[32]; int n = 0; for (int i = 0; i < 32; i++) if (need >> i & 1) who[n++] = (uint16_t)(base + i); vc_join(r, who, n); break; }
    case OP_MMA: do_mma(r, w, base); break;
    case OP_LDM: do_ldm(r, base); break;
    default: break;
  }
  w.waiting &= ~need;
  // release the others; the last arriver keeps running when order is forward, else it queues too
  if (g_opt.order == Order::Forward) { for (int i = 0; i < 32; i++) if ((need >> i & 1) && base + i != (int)me->linear) push(r, &r->lanes[base + i]); }
  else { for (int i = 31; i >= 0; i--) if ((need >> i & 1) && base + i != (int)me->linear) push(r, &r->lanes[base + i]); }
}
void warp_op(Op op, unsigned mask, const char* name, bool aligned, const char* f, int l) {
  Runner* r = R; Lane* me = cur(); Warp& w = r->warps[me->warp];
  me->op = op; me->mask = mask; me->name = name; me->file = f; me->line = l;
  if (!(mask >> me->lane & 1)) fatal(Err::BadMask, {nullptr, f, l}, where(me) + " calls " + name + " with a mask that does not contain its own lane");
  unsigned need = mask & w.exist;
  if (need & w.done) {
    int k = __builtin_ctz(need & w.done);
    fatal(Err::BadMask, {nullptr, f, l}, where(me) + " calls " + name + ": lane " + std::to_string(k) + " of the mask has already exited");
  }
  w.waiting |= 1u << me->lane; me->st = AT_WARP;
  if ((w.waiting & need) == need) {
    bool ok = true; int base = (int)me->warp * 32;
    for (unsigned m = need; m; m &= m - 1) {
      Lane& o = r->lanes[base + __builtin_ctz(m)];
      if (o.op != op || o.mask != mask || (aligned && (o.line != l || o.file != f))) {
        ok = false;
        if (aligned || mask == 0xffffffffu) {
          char b[256]; snprintf(b, sizeof b, " is at %s, lane %u of the same warp is at %s (%s:%d, mask %08x)", name, o.lane, o.name, base_name(o.file), o.line, o.mask);
          fatal(Err::Divergence, {nullptr, f, l}, where(me) + b);
        }
      }
    }
    if (ok) { complete_warp(r, me, w, need); me->st = READY; return; }
  }
  block_here(me);
}
inline float bf(uint32_t v, int hi) { uint32_t u = hi ? v & 0xffff0000u : v << 16; float f; memcpy(&f, &u, 4); return f; }
inline float tf(uint32_t v) { v &= ~0x1fffu; float f; memcpy(&f, &v, 4); return f; }
inline float fin(double x) {   // to fp32: nearest, or toward zero when the tensor core's truncation is modelled
  float f = (float)x; if (g_opt.trunc_mma && std::fabs((double)f) > std::fabs(x)) f = std::nextafter(f, 0.0f); return f;
}
void do_mma(Runner* r, Warp&, int base) {
  // products of bf16/tf32 operands are exact in double, and so (for sane magnitudes) is the K<=16 sum; one rounding at the end
  alignas(32) double A[16][16], B[16][8], D[16][8];
  const int kind = r->lanes[base].aux, K = kind == rt::TF32_1688 ? 8 : 16;
  for (int i = 0; i < 32; i++) {
    const MmaArgs* m = (const MmaArgs*)r->lanes[base + i].in; const int g = i >> 2, t = i & 3;
    if (kind == rt::TF32_1688) {
      A[g][t] = tf(m->a[0]); A[g + 8][t] = tf(m->a[1]); A[g][t + 4] = tf(m->a[2]); A[g + 8][t + 4] = tf(m->a[3]);
      B[t][g] = tf(m->b[0]); B[t + 4][g] = tf(m->b[1]);
      if (((m->a[0] | m->a[1] | m->a[2] | m->a[3] | m->b[0] | m->b[1]) & 0x1fffu))
        report(Err::Tf32, {nullptr, r->lanes[base + i].file, r->lanes[base + i].line}, where(&r->lanes[base + i]) + " feeds tf32 mma an operand that was not rounded with f32_to_tf32 (hardware ignores its low 13 bits)");
    } else {
      for (int h = 0; h < 2; h++) {
        A[g][2 * t + h] = bf(m->a[0], h); A[g + 8][2 * t + h] = bf(m->a[1], h); A[g][2 * t + 8 + h] = bf(m->a[2], h); A[g + 8][2 * t + 8 + h] = bf(m->a[3], h);
        B[2 * t + h][g] = bf(m->b[0], h); B[2 * t + 8 + h][g] = bf(m->b[1], h);
      }
    }
    for (int h = 0; h < 4; h++) D[g + (h >> 1) * 8][2 * t + (h & 1)] = m->c[h];
  }
  typedef double v4 __attribute__((vector_size(32)));     // GCC's own choice here was a shuffle storm
  for (int i = 0; i < 16; i += 2) {
    v4 d0 = *(v4*)&D[i][0], d1 = *(v4*)&D[i][4], e0 = *(v4*)&D[i + 1][0], e1 = *(v4*)&D[i + 1][4];
    for (int k = 0; k < K; k++) {
      const v4 b0 = *(v4*)&B[k][0], b1 = *(v4*)&B[k][4]; const double a = A[i][k], c = A[i + 1][k];
      d0 += a * b0; d1 += a * b1; e0 += c * b0; e1 += c * b1;
    }
    *(v4*)&D[i][0] = d0; *(v4*)&D[i][4] = d1; *(v4*)&D[i + 1][0] = e0; *(v4*)&D[i + 1][4] = e1;
  }
  for (int i = 0; i < 32; i++) {
    const MmaArgs* m = (const MmaArgs*)r->lanes[base + i].in; const int g = i >> 2, t = i & 3;
    float o[4]; for (int h = 0; h < 4; h++) o[h] = fin(D[g + (h >> 1) * 8][2 * t + (h & 1)]);
    memcpy(m->d, o, 16);
  }
}
void do_ldm(Runner* r, int base) {
  const Lane& z = r->lanes[base]; int x = z.aux & 7; bool tr = z.aux & 8; uint16_t M[4][8][8];
  for (int i = 0; i < 8 * x; i++) {
    Lane& l = r->lanes[base + i]; const char* p = (const char*)l.in;
    if ((uintptr_t)p & 15) { report(Err::Misaligned, {nullptr, l.file, l.line}, where(&l) + " ldmatrix row address is not 16-byte aligned"); }
    if ((size_t)(p - r->sh) >= kShArena) fatal(Err::Wild, {nullptr, l.file, l.line}, where(&l) + " ldmatrix address is not in shared memory");
#if SIMT_CHECK
    access_as(&l, p, 16, RD, {nullptr, l.file, l.line});
#endif
    memcpy(M[i >> 3][i & 7], p, 16);
  }
  for (int i = 0; i < 32; i++) {
    uint32_t* o = (uint32_t*)r->lanes[base + i].out;
    for (int m = 0; m < x; m++) { int a = i >> 2, b = 2 * (i & 3);
      o[m] = tr ? (uint32_t)M[m][b][a] | (uint32_t)M[m][b + 1][a] << 16 : (uint32_t)M[m][a][b] | (uint32_t)M[m][a][b + 1] << 16; }
  }
}

// ---------------------------------------------------------------- lanes and blocks
void lane_exit() {
  Runner* r = R; Lane* me = cur(); Warp& w = r->warps[me->warp];
  if (!me->cp.empty()) { const CpReq& q = me->cp[0]; report(Err::PendingAsync, {nullptr, q.f, q.l}, where(me) + " exits with " + std::to_string(me->cp.size()) + " cp.async never waited for"); me->cp.clear(); me->groups.clear(); me->open = 0; }
  me->st = DONE; r->live--; w.done |= 1u << me->lane;
  for (unsigned m = w.waiting; m; m &= m - 1) { Lane& o = r->lanes[me->warp * 32 + __builtin_ctz(m)];
    if (o.st == AT_WARP && (o.mask >> me->lane & 1)) { report(Err::BadMask, {nullptr, o.file, o.line}, where(&o) + " waits at " + o.name + " for lane " + std::to_string(me->lane) + ", which has exited"); r->aborted = true; jump(me, nullptr, true); } }
  Bar& b = r->bars[0];
  if (b.arrived && b.expected == 0 && b.arrived == r->live) {
    if (g_opt.exit_at_barrier_is_error) report(Err::ExitAtBarrier, {nullptr, b.f, b.l}, where(me) + " exits while " + std::to_string(b.arrived) + " thread(s) of its block wait at this barrier");
    bar_complete(r, 0);
  }
  Lane* nx = pop(r);
  while (!nx && r->live > 0) { if (complete_bulk(r)) { nx = pop(r); continue; } stall(r); r->aborted = true; break; }
  jump(me, nx, true);
}
void lane_main() {
  Lane* me = cur(); finish_switch(me);
  R->entry(R->closure);
  lane_exit(); __builtin_unreachable();
}
char* sh_alloc(Runner* r, size_t bytes, size_t align, const char* name, char* site) {
  size_t off = (r->sh_used + 32 + align - 1) / align * align;      // at least 32 bytes of redzone
  if (off + bytes + 64 > kShArena) return nullptr;
  char* p = r->sh + off; r->sh_used = off + bytes; r->sh_payload += bytes; r->objs.push_back({site, p, bytes, name});
#if SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
#endif
#if SIMT_CHECK
  set_flags(r, p, bytes, F_ALLOC, F_INIT | F_PENDING);
#endif
  poison(p, bytes);
  return p;
}
void run_block(Runner* r, uint3 bid, dim3 bd, dim3 gd, size_t smem) {
  int n = (int)(bd.x * bd.y * bd.z); make_pool(r, n);
  r->n = r->live = n; r->nwarps = (n + 31) / 32; r->aborted = false; r->q.clear(); r->qh = 0; r->gen = g_gen++; r->spins = 0;
  // shared memory: forget the last block's objects, poison everything
#if SIMT_CHECK
  for (auto& o : r->objs) set_flags(r, o.p, o.bytes, 0, 0xFF);
  r->bar_vc.assign(n, 0);
#endif
#if SIMT_ASAN
  ASAN_POISON_MEMORY_REGION(r->sh, kShArena);
#endif
  r->objs.clear(); r->sh_used = r->sh_payload = 0; r->dyn = nullptr; r->dyn_bytes = smem; r->mbars.clear(); r->bulks.clear(); r->acq.clear(); r->cp_inflight = 0;
  if (smem) r->dyn = sh_alloc(r, smem, 1024, "dynamic shared", nullptr);
  for (auto& b : r->bars) { b.vc.clear(); b.arrived = 0; b.expected = 0; b.acc[0] = b.acc[2] = 0; b.acc[1] = 1; b.who.clear(); b.f = nullptr; }
  for (int w = 0; w < r->nwarps; w++) { int k = std::min(32, n - w * 32); r->warps[w] = {k == 32 ? 0xffffffffu : (1u << k) - 1, 0, 0}; }
  for (int i = 0; i < n; i++) {
    Lane& l = r->lanes[i]; arm(l, i);
    l.tid = make_uint3(i % bd.x, i / bd.x % bd.y, i / (bd.x * bd.y)); l.bid = bid; l.bdim = bd; l.gdim = gd; l.linear = i; l.lane = i & 31; l.warp = i >> 5;
    l.st = READY; l.clock = 1; l.vc_used = l.fenced = false; l.result = 0; l.cp.clear(); l.groups.clear(); l.open = 0;
  }
  if (g_opt.order == Order::Reverse) for (int i = n - 1; i >= 0; i--) push(r, &r->lanes[i]); else for (int i = 0; i < n; i++) push(r, &r->lanes[i]);
  r->st.blocks++; r->st.lanes += n;
  Lane* first = pop(r);
  jump(nullptr, first);
  simt_cur = nullptr;
  if (r->aborted) g_stop = true;
}
bool complete_bulk(Runner* r) {
  if (r->bulks.empty()) return false;
  size_t i = g_opt.order == Order::Random ? r->rng() % r->bulks.size() : g_opt.order == Order::Reverse ? r->bulks.size() - 1 : 0;
  Bulk b = r->bulks[i]; r->bulks.erase(r->bulks.begin() + i);
  memcpy(b.dst, b.src, b.bytes);
#if SIMT_CHECK
  stamp_write(r, b.issuer, b.dst, b.bytes, b.clock);
#endif
  auto it = r->mbars.find(b.mb); if (it == r->mbars.end()) return true;
  MBar& m = it->second; m.tx -= b.bytes;
#if SIMT_CHECK
  m.next_vc.resize(r->n, 0); m.next_vc[b.issuer->linear] = std::max(m.next_vc[b.issuer->linear], b.clock);
#endif
  mbar_try_flip(r, b.mb, m);
  return true;
}
void mbar_try_flip(Runner* r, uint64_t* p, MBar& m) {
  if (m.pending || m.tx != 0) return;
  m.phase ^= 1; m.pending = m.count; m.vc = m.next_vc;
  for (int i = 0; i < r->n; i++) { Lane& l = r->lanes[i]; if (l.st == AT_MBAR && l.mb == p && l.parity != m.phase) push(r, &l); }
}
}  // namespace

// ================================================================= public
bool (*ptx_hook)(void*, dim3, dim3, size_t, const Arg*, int) = nullptr;
Options& options() { return g_opt; }
Stats& stats() { return g_stats; }
std::vector<Error>& errors() { return g_errs; }
bool checked_build() { return SIMT_CHECK; }
const char* err_name(Err e) {
  static const char* n[] = {"deadlock", "divergent-barrier", "bad-mask", "bad-lane", "warp-divergence", "shared-out-of-bounds", "global-out-of-bounds", "wild-address",
    "uninitialised-shared-read", "uninitialised-global-read", "shared-race", "global-race", "async-copy-hazard", "misaligned", "stack-overflow", "exit-at-barrier", "limit", "pending-async", "tf32-operand"};
  return n[(int)e];
}
static std::string symbolise(const std::string& s) {
  auto a = s.find("@0x"); if (a == std::string::npos) return s; auto b = s.find('@', a + 1); if (b == std::string::npos) return s;
  void* pc = (void*)strtoull(s.substr(a + 1, b - a - 1).c_str(), nullptr, 16); Dl_info di; char cmd[512], buf[512] = "";
  uintptr_t off = (uintptr_t)pc - 1; if (dladdr(pc, &di) && (uintptr_t)di.dli_fbase != 0x400000) off -= (uintptr_t)di.dli_fbase;
  char exe[400]; ssize_t k = readlink("/proc/self/exe", exe, sizeof exe - 1); if (k < 0) return s; exe[k] = 0;
  snprintf(cmd, sizeof cmd, "addr2line -s -e '%s' 0x%zx 2>/dev/null", exe, (size_t)off);
  if (FILE* f = popen(cmd, "r")) { if (!fgets(buf, sizeof buf, f)) buf[0] = 0; pclose(f); }
  std::string r = buf; while (!r.empty() && (r.back() == '\n')) r.pop_back();
  auto sp = r.find(" (disc"); if (sp != std::string::npos) r.resize(sp);
  return s.substr(0, a) + (r.empty() ? "?" : r) + s.substr(b + 1);
}
bool sync_and_report() {
  bool clean = g_errs.empty();
  for (auto& e : g_errs) { e.msg = symbolise(e.msg); fprintf(stderr, "simt: %s\n", e.msg.c_str()); }
  g_errs.clear(); g_seen.clear(); return clean;
}

namespace rt {
void syncthreads(int id, int count, const char* f, int l) { bar_wait(id, count, 0, 0, true, f, l); }
int syncthreads_red(int op, int pred, const char* f, int l) { bar_wait(0, 0, op, pred, true, f, l); return (int)cur()->result; }
void bar_arrive(int id, int count, const char* f, int l) { bar_wait(id, count, 0, 0, false, f, l); }
void syncwarp(unsigned mask, const char* f, int l) { warp_op(OP_SYNCWARP, mask, "__syncwarp", false, f, l); }
void shfl(unsigned mask, const void* in, void* out, unsigned bytes, int src, const char* name, const char* f, int l) {
  Lane* me = cur(); me->in = in; me->out = out; me->bytes = bytes; me->aux = src; warp_op(OP_SHFL, mask, name, false, f, l);
}
unsigned ballot(unsigned mask, int pred, const char* f, int l) { Lane* me = cur(); me->pred = pred; warp_op(OP_BALLOT, mask, "__ballot_sync", false, f, l); return me->result; }
unsigned match_any(unsigned mask, uint64_t v, const char* f, int l) { Lane* me = cur(); me->in = &v; warp_op(OP_MATCH, mask, "__match_any_sync", false, f, l); return me->result; }
void mma(Mma kind, float* d, const uint32_t* a, const uint32_t* b, const float* c, const char* f, int l) {
  Lane* me = cur(); MmaArgs m{d, a, b, c}; me->in = &m; me->aux = kind; 
  if (R->warps[me->warp].exist != 0xffffffffu) fatal(Err::BadMask, {nullptr, f, l}, where(me) + " mma in a partial warp");
  warp_op(OP_MMA, 0xffffffffu, "mma.sync", true, f, l);
}
void ldmatrix(int x, bool trans, uint32_t* r, const void* p, const char* f, int l) {
  Lane* me = cur(); me->in = p; me->out = r; me->aux = x | (trans ? 8 : 0); warp_op(OP_LDM, 0xffffffffu, "ldmatrix", true, f, l);
}
void cp_async(void* dst, const void* src, int bytes, int sb, const char* f, int l) {
  Runner* r = R; Lane* me = cur();
  if ((size_t)((char*)dst - r->sh) >= kShArena) fatal(Err::Wild, {nullptr, f, l}, where(me) + " cp.async destination is not shared memory");
  if (((uintptr_t)dst | (sb ? (uintptr_t)src : 0)) & (bytes - 1)) report(Err::Misaligned, {nullptr, f, l}, where(me) + " cp.async address not " + std::to_string(bytes) + "-byte aligned");
  if (sb < 0 || sb > bytes) fatal(Err::Limit, {nullptr, f, l}, where(me) + " cp.async src-size out of range");
#if SIMT_CHECK
  access_as(me, dst, bytes, WR, {nullptr, f, l}); if (sb) access_as(me, src, sb, RD, {nullptr, f, l});
  set_flags(r, (char*)dst, bytes, F_PENDING, 0);
#endif
  char tmp[16]; memcpy(tmp, src ? src : tmp, sb); (void)*(volatile char*)tmp;    // ASan looks at the source now ...
  poison(dst, bytes);                                                             // ... and at the destination; its content is unspecified until waited for
  me->cp.push_back({(char*)dst, (const char*)src, (uint16_t)bytes, (uint16_t)sb, f, l}); me->open++;
}
void cp_commit() { Lane* me = cur(); me->groups.push_back(me->open); me->open = 0; }
void cp_wait(int n) {
  Runner* r = R; Lane* me = cur(); (void)r;
  while ((int)me->groups.size() > n) {
    uint32_t k = me->groups.front();
    for (uint32_t i = 0; i < k; i++) { CpReq& q = me->cp[i]; memcpy(q.dst, q.src, q.sb); memset(q.dst + q.sb, 0, q.bytes - q.sb);
#if SIMT_CHECK
      stamp_write(r, me, q.dst, q.bytes, me->clock);
#endif
    }
    me->cp.erase(me->cp.begin(), me->cp.begin() + k); me->groups.erase(me->groups.begin());
  }
}
void mbar_init(uint64_t* m, unsigned count, const char* f, int l) {
  Runner* r = R; Lane* me = cur(); note(me, m, 8, 1, f, l); *m = 0x6D62617272696572ull;
  MBar b; b.count = b.pending = count; b.tx = 0; b.phase = 0; b.vc.assign(r->n, 0); b.next_vc.assign(r->n, 0); r->mbars[m] = b;
}
static MBar& find_mbar(uint64_t* m, const char* f, int l) {
  auto it = R->mbars.find(m); if (it == R->mbars.end()) fatal(Err::Wild, {nullptr, f, l}, where(cur()) + " uses an mbarrier that was never initialised"); return it->second;
}
void mbar_arrive(uint64_t* p, unsigned tx, bool, const char* f, int l) {
  Runner* r = R; Lane* me = cur(); MBar& m = find_mbar(p, f, l);
  note(me, p, 8, 2, f, l);
  if (!m.pending) fatal(Err::Limit, {nullptr, f, l}, where(me) + " arrives at an mbarrier more often than its count");
  m.tx += tx; m.pending--;
#if SIMT_CHECK
  m.next_vc.resize(r->n, 0); if (me->vc_used) for (int i = 0; i < r->n; i++) m.next_vc[i] = std::max(m.next_vc[i], me->vc[i]);
  m.next_vc[me->linear] = std::max(m.next_vc[me->linear], me->clock); me->clock++;
#endif
  mbar_try_flip(r, p, m);
}
void mbar_wait(uint64_t* p, unsigned parity, const char* f, int l) {
  Lane* me = cur(); MBar& m = find_mbar(p, f, l); note(me, p, 8, 2, f, l);
  me->file = f; me->line = l; me->mb = p; me->parity = parity & 1;
  while (m.phase == (parity & 1)) { me->st = AT_MBAR; block_here(me); }   // phase with this parity still open
#if SIMT_CHECK
  Runner* r = R; if (!me->vc_used) { me->vc.assign(r->n, 0); me->vc_used = true; }
  for (int i = 0; i < r->n; i++) me->vc[i] = std::max(me->vc[i], m.vc[i]);
#endif
}
void bulk_g2s(void* dst, const void* src, unsigned bytes, uint64_t* mb, const char* f, int l) {
  Runner* r = R; Lane* me = cur(); find_mbar(mb, f, l);
  if (((uintptr_t)dst | (uintptr_t)src | bytes) & 15) fatal(Err::Misaligned, {nullptr, f, l}, where(me) + " bulk copy needs 16-byte aligned addresses and size");
  if ((size_t)((char*)dst - r->sh) >= kShArena) fatal(Err::Wild, {nullptr, f, l}, where(me) + " bulk copy destination is not shared memory");
#if SIMT_CHECK
  for (unsigned i = 0; i < bytes; i += 16) { access_as(me, (char*)dst + i, 16, WR, {nullptr, f, l}); access_as(me, (const char*)src + i, 16, RD, {nullptr, f, l}); }
  set_flags(r, (char*)dst, bytes, F_PENDING, 0);
#endif
  poison(dst, bytes); r->bulks.push_back({(char*)dst, (const char*)src, bytes, mb, me, me->clock, f, l});
}
void* shared_static(char* site, size_t bytes, size_t align, const char* name, const char* f, int l) {
  Runner* r = R; if (!cur()) { fprintf(stderr, "simt: shared memory used outside a kernel\n"); abort(); }
  for (auto& o : r->objs) if (o.site == site) return o.p;
  char* p = sh_alloc(r, bytes, align, name, site);
  if (!p || r->sh_payload > g_opt.smem_limit) fatal(Err::Limit, {nullptr, f, l}, "shared memory over the limit: " + std::to_string(r->sh_payload) + " bytes");
  if (r->sh_payload - r->dyn_bytes > 48 * 1024) fatal(Err::Limit, {nullptr, f, l}, "static shared memory over 48 KiB");
  return p;
}
void* shared_dynamic() { return R->dyn; }
template <class T, class U> static T fadd(T* p, T v) {
  U o, n; __atomic_load((U*)p, &o, __ATOMIC_RELAXED); T a; do { memcpy(&a, &o, sizeof a); T b = a + v; memcpy(&n, &b, sizeof b); } while (!__atomic_compare_exchange((U*)p, &o, &n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)); return a;
}
float atomic_add_f32(float* p, float v, const char* f, int l) { note(cur(), p, 4, 2, f, l); return fadd<float, uint32_t>(p, v); }
double atomic_add_f64(double* p, double v, const char* f, int l) { note(cur(), p, 8, 2, f, l); return fadd<double, uint64_t>(p, v); }
uint64_t atomic_int(int op, void* p, int bytes, bool sgn, uint64_t v, uint64_t cmp, const char* f, int l) {
  note(cur(), p, bytes, 2, f, l);
  auto run = [&](auto* q) -> uint64_t { using T = std::remove_pointer_t<decltype(q)>; T o = __atomic_load_n(q, __ATOMIC_RELAXED), n;
    do { switch (op) { case 0: n = (T)(o + (T)v); break; case 1: n = sgn ? (T)std::max((std::make_signed_t<T>)o, (std::make_signed_t<T>)v) : std::max(o, (T)v); break; case 2: n = (T)v; break; default: n = o == (T)cmp ? (T)v : o; } }
    while (!__atomic_compare_exchange_n(q, &o, n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)); return o; };
  return bytes == 4 ? run((uint32_t*)p) : run((uint64_t*)p);
}
void threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); cur()->fenced = true; }
void spin() {
  Runner* r = R; Lane* me = cur(); if (++r->spins > 2000000) { char b[64] = "spin loop without progress"; fatal(Err::Deadlock, {__builtin_return_address(0), nullptr, 0}, where(me) + ": " + b); }
  push(r, me); block_here(me);
}
void run_grid(dim3 g, dim3 b, size_t smem, void (*entry)(void*), void* cl, size_t clb) {
  size_t nb = (size_t)g.x * g.y * g.z, nt = (size_t)b.x * b.y * b.z;
  if (!nb || !nt || nt > 1024 || g.y > 65535 || g.z > 65535 || b.z > 64) { report(Err::Limit, {nullptr, "launch", 0}, "launch configuration outside CUDA's limits"); return; }
  if (smem > g_opt.smem_limit) { report(Err::Limit, {nullptr, "launch", 0}, "dynamic shared memory over the limit"); return; }
  uint32_t lg = g_gen++; g_stop = false; std::atomic<size_t> next{0};
  auto work = [&] {
    static thread_local struct Holder { Runner* r = nullptr; ~Holder() { delete r; } } h;
    if (!h.r) { h.r = new Runner; h.r->sh = (char*)mmap(nullptr, kShArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#if SIMT_CHECK
      arena_init(); h.r->shc = (Cell*)mmap(nullptr, kShArena / GB * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
#endif
#if SIMT_ASAN
      pthread_attr_t at; pthread_getattr_np(pthread_self(), &at); void* lo; size_t sz; pthread_attr_getstack(&at, &lo, &sz); pthread_attr_destroy(&at); h.r->main_stk_lo = lo; h.r->main_stk_sz = sz;
#endif
    }
    R = h.r; Runner* r = R; r->entry = entry; r->closure = cl; r->closure_bytes = clb; r->launch_gen = lg; r->rel.clear(); r->st = Stats{}; r->rng.seed(g_opt.seed);
    for (;;) { size_t i = next++; if (i >= nb || g_stop) break;
      size_t k = g_opt.order == Order::Reverse ? nb - 1 - i : i;
      run_block(r, make_uint3((unsigned)(k % g.x), (unsigned)(k / g.x % g.y), (unsigned)(k / ((size_t)g.x * g.y))), b, g, smem); }
    std::lock_guard<std::mutex> lk(g_mu);
    g_stats.blocks += r->st.blocks; g_stats.lanes += r->st.lanes; g_stats.switches += r->st.switches; g_stats.barriers += r->st.barriers; g_stats.warp_ops += r->st.warp_ops; g_stats.accesses += r->st.accesses;
  };
  int nt_os = SIMT_CHECK ? 1 : std::max(1, g_opt.os_threads);
  if (nt_os == 1) work(); else { std::vector<std::thread> ts; for (int i = 0; i < nt_os; i++) ts.emplace_back(work); for (auto& t : ts) t.join(); }
}
#if SIMT_CHECK
void* device_alloc(size_t bytes, const char* name) {
  arena_init(); size_t off = (g_arena_used + 4096 + 255) & ~(size_t)255; if (off + bytes + 4096 > kArena) { fprintf(stderr, "simt: arena full\n"); abort(); }
  g_arena_used = off + bytes; char* p = g_arena + off; g_objs.push_back({p, bytes, name, true}); poison(p, bytes);
  Cell* c = g_cells + (off >> GS); for (size_t i = 0; i < (bytes + GB - 1) / GB; i++) c[i].fl = F_ALLOC; return p;
}
void device_free(void* q) {
  for (auto& o : g_objs) if (o.p == q && o.live) { o.live = false; Cell* c = g_cells + ((o.p - g_arena) >> GS); size_t n = (o.n + GB - 1) / GB * sizeof(Cell);
    for (size_t i = 0; i < (o.n + GB - 1) / GB; i++) c[i].fl = 0;
    uintptr_t a = ((uintptr_t)c + 4095) & ~4095ull, e = ((uintptr_t)c + n) & ~4095ull; if (e > a) madvise((void*)a, e - a, MADV_DONTNEED); 
    uintptr_t pa = ((uintptr_t)o.p + 4095) & ~4095ull, pe = ((uintptr_t)o.p + o.n) & ~4095ull; if (pe > pa) madvise((void*)pa, pe - pa, MADV_DONTNEED); }
}
void mark_init(const void* p, size_t n) { Cell* c = g_cells + (((char*)p - g_arena) >> GS); for (size_t i = 0; i < (n + GB - 1) / GB; i++) c[i].fl |= F_INIT; }
#else
void* device_alloc(size_t bytes, const char*) { void* p = nullptr; if (posix_memalign(&p, 256, bytes ? bytes : 1)) abort(); poison(p, bytes); return p; }
void device_free(void* p) { free(p); }
void mark_init(const void*, size_t) {}
#endif
}  // namespace rt
}  // namespace simt

#if SIMT_ASAN
extern "C" void __asan_on_error() { if (simt_cur) fprintf(stderr, "simt: AddressSanitizer error in %s\n", simt::where(simt::cur()).c_str()); }
#endif
#if SIMT_CHECK
// ---- the compiler's -fsanitize=thread instrumentation calls these; libtsan is not linked ----------
#define HOOK(n) \
  extern "C" void __tsan_read##n(void* p) { simt::access(p, n, simt::RD, __builtin_return_address(0), true); } \
  extern "C" void __tsan_write##n(void* p) { simt::access(p, n, simt::WR, __builtin_return_address(0), true); } \
  extern "C" void __tsan_unaligned_read##n(void* p) { simt::access(p, n, simt::RD, __builtin_return_address(0), false); } \
  extern "C" void __tsan_unaligned_write##n(void* p) { simt::access(p, n, simt::WR, __builtin_return_address(0), false); } \
  extern "C" void __tsan_volatile_read##n(void* p) { simt::access(p, n, simt::RD, __builtin_return_address(0), true); } \
  extern "C" void __tsan_volatile_write##n(void* p) { simt::access(p, n, simt::WR, __builtin_return_address(0), true); }
HOOK(1) HOOK(2) HOOK(4) HOOK(8) HOOK(16)
extern "C" void __tsan_read_range(void* p, unsigned long n) { if (simt_cur && n) simt::access(p, (unsigned)n, simt::RD, __builtin_return_address(0), false); }
extern "C" void __tsan_write_range(void* p, unsigned long n) { if (simt_cur && n) simt::access(p, (unsigned)n, simt::WR, __builtin_return_address(0), false); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_vptr_update(void*, void*) {}
extern "C" void __tsan_vptr_read(void*) {}
#define ATOM(b, T) \
  extern "C" T __tsan_atomic##b##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  extern "C" void __tsan_atomic##b##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
  extern "C" T __tsan_atomic##b##_exchange(volatile T* p, T v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
  extern "C" T __tsan_atomic##b##_fetch_add(volatile T* p, T v, int) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); } \
  extern "C" T __tsan_atomic##b##_fetch_sub(volatile T* p, T v, int) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); } \
  extern "C" int __tsan_atomic##b##_compare_exchange_strong(volatile T* p, T* c, T v, int, int) { return __atomic_compare_exchange_n(p, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); } \
  extern "C" int __tsan_atomic##b##_compare_exchange_weak(volatile T* p, T* c, T v, int, int) { return __atomic_compare_exchange_n(p, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); }
ATOM(8, uint8_t) ATOM(16, uint16_t) ATOM(32, uint32_t) ATOM(64, uint64_t)
extern "C" void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif
