// SPDX-License-Identifier: Apache-2.0
// stack_accesses < ASSEMBLY
// Follows the stack pointer, and all registers that are computed from it, through every function of g++'s output for
// x86-64. Prints the aligned accesses to the stack at places that are not aligned, or not known to be; exit status 1 if
// there are any, 2 if there is nothing to look at.
//
// What is known of an address is its remainder by a power of two. An index that is not computed from the stack pointer
// is taken for a multiple of the alignment that the access asks for: g++ would not ask for it otherwise.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

/// An address in the stack: `remainder` by `modulus`, a power of two.
struct place {
  std::int64_t modulus, remainder;

  place(std::int64_t of, std::int64_t n) : modulus(of), remainder((n % of + of) % of) {}
  bool operator==(const place&) const = default;
  [[nodiscard]] place moved(std::int64_t by) const { return {modulus, remainder + by}; }
};

/// What two addresses, either of which it may be, have in common.
place either(const place& a, const place& b) {
  const std::int64_t apart = a.remainder - b.remainder, modulus = std::min(a.modulus, b.modulus);
  const std::int64_t common = std::gcd(modulus, apart < 0 ? -apart : apart);
  return {common, a.remainder};
}

/// Registers that hold an address in the stack, by the name of their 64 bits, and spilled ones by their operand.
using state = std::map<std::string, place>;

/// Whether `into` changed.
bool merge(state& into, const state& from) {
  const state before = into;
  std::erase_if(into, [&](const auto& held) { return !from.contains(held.first); });
  for (auto& [name, where] : into) where = either(where, from.at(name));
  return into != before;
}

struct instruction {
  std::string name;
  std::vector<std::string> operands;
  std::size_t line;
  std::string text;
};

/// "vmovdqa 16(%rsp,%rax), %xmm0": name and operands, those in brackets whole.
instruction parse(const std::string& text, std::size_t line) {
  instruction result{{}, {}, line, text};
  std::size_t at = text.find_first_not_of(" \t"), end = text.find_first_of(" \t", at);
  result.name = text.substr(at, end - at);
  std::string operand;
  int depth = 0;
  for (std::size_t i = end; i < text.size() && text[i] != '#' && text[i] != ';'; ++i) {
    const char c = text[i];
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      result.operands.push_back(std::exchange(operand, {}));
    } else if (c != ' ' && c != '\t') {
      operand += c;
    }
  }
  if (!operand.empty()) result.operands.push_back(operand);
  return result;
}

/// The 64-bit register of which `operand` is (a part), or nothing: %eax is a part of %rax.
std::optional<std::string> general_register(const std::string& operand) {
  if (operand.size() < 3 || operand[0] != '%') return {};
  static const std::map<std::string, std::string> named = [] {
    std::map<std::string, std::string> names;
    for (const std::string letter : {"a", "b", "c", "d"})
      for (const std::string& name : {"r" + letter + "x", "e" + letter + "x", letter + "x", letter + "l", letter + "h"})
        names["%" + name] = "%r" + letter + "x";
    for (const std::string name : {"si", "di", "bp", "sp"})
      for (const std::string& part : {"r" + name, "e" + name, name, name + "l"}) names["%" + part] = "%r" + name;
    for (int i = 8; i < 16; ++i)
      for (const std::string suffix : {"", "d", "w", "b"})
        names["%r" + std::to_string(i) + suffix] = "%r" + std::to_string(i);
    return names;
  }();
  const auto found = named.find(operand);
  return found == named.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int64_t> number(const std::string& text) {
  if (text.empty()) return 0;
  char* end = nullptr;
  const std::int64_t value = std::strtoll(text.c_str(), &end, 0);
  return *end == '\0' ? std::optional(value) : std::nullopt;
}

/// The address that a memory operand means, if it is one in the stack. With an index it is that of the other register.
std::optional<place> address(const std::string& operand, const state& known) {
  const std::size_t open = operand.find('(');
  if (open == std::string::npos || operand.starts_with("*")) return {};
  const auto offset = number(operand.substr(0, open));
  if (!offset) return {};
  std::string base = operand.substr(open + 1, operand.size() - open - 2), index;
  bool scaled = false;
  if (const std::size_t comma = base.find(','); comma != std::string::npos) {
    index = base.substr(comma + 1);
    base.resize(comma);
    if (const std::size_t second = index.find(','); second != std::string::npos) {
      scaled = index.substr(second) != ",1";
      index.resize(second);
    }
  }
  if (!known.contains(base) && !scaled) std::swap(base, index);
  const auto found = known.find(base);
  if (found == known.end() || known.contains(index)) return {};
  return found->second.moved(*offset);
}

bool is_memory(const std::string& operand) { return operand.find('(') != std::string::npos; }

/// The alignment that an instruction asks of its operand in memory, 1 if none.
std::int64_t alignment_asked(const instruction& i) {
  std::string name = i.name;
  const bool vector_encoding = name.starts_with("v");
  if (vector_encoding) name.erase(0, 1);
  static const std::set<std::string> moves{"movaps",  "movapd",  "movdqa",  "movdqa32", "movdqa64",
                                           "movntps", "movntpd", "movntdq", "movntdqa"};
  std::string widest;
  for (const std::string& operand : i.operands)
    for (const char* kind : {"%xmm", "%ymm", "%zmm"})
      if (operand.starts_with(kind)) widest = std::max(widest, std::string(kind));
  if (widest.empty()) return 1;
  if (moves.contains(name)) return widest == "%xmm" ? 16 : widest == "%ymm" ? 32 : 64;
  // Without the vector encoding whatever reads 16 bytes wants them aligned; scalars and unaligned moves do not.
  static const std::vector<std::string> unaligned{"movu", "movdqu", "movq",   "movd",    "movl", "movh", "cvt",
                                                  "pins", "pextr",  "insert", "extract", "pmov", "lddqu"};
  const bool scalar = name.ends_with("ss") || name.ends_with("sd");
  if (vector_encoding || scalar || std::ranges::any_of(unaligned, [&](auto& begin) { return name.starts_with(begin); }))
    return 1;
  return 16;
}

/// What is known after an instruction.
void step(const instruction& i, state& known) {
  const std::string& name = i.name;
  place& stack = known.at("%rsp");
  const auto& o = i.operands;
  if (name.starts_with("push")) {
    stack = stack.moved(-8);
    return;
  }
  if (name.starts_with("pop")) {
    stack = stack.moved(8);
    if (const auto to = general_register(o.at(0)); to && *to != "%rsp") known.erase(*to);
    return;
  }
  if (name == "leave") {
    const auto frame = known.find("%rbp");
    if (frame != known.end()) stack = frame->second.moved(8);
    known.erase("%rbp");
    return;
  }
  if (name == "call") {
    for (const char* lost : {"%rax", "%rcx", "%rdx", "%rsi", "%rdi", "%r8", "%r9", "%r10", "%r11"}) known.erase(lost);
    return;
  }
  static const std::vector<std::string> no_result{"cmp", "test", "bt", "j", "prefetch", "vucomis", "vcomis"};
  if (o.empty() || std::ranges::any_of(no_result, [&](auto& begin) { return name.starts_with(begin); })) return;
  const std::string& target = o.back();
  const auto to = general_register(target);
  if (!to) {
    if (name != "movq" || !is_memory(target)) return;
    const auto from = general_register(o.at(0));
    if (from && known.contains(*from))
      known.insert_or_assign(target, known.at(*from));
    else
      known.erase(target);
    return;
  }
  std::optional<place> now;
  if (const auto held = known.find(*to); held != known.end() && o.size() == 2) {
    const auto constant = o[0].starts_with("$") ? number(o[0].substr(1)) : std::nullopt;
    if (constant && name == "addq")
      now = held->second.moved(*constant);
    else if (constant && name == "subq")
      now = held->second.moved(-*constant);
    else if (constant && name == "andq" && *constant < 0 && (-*constant & (-*constant - 1)) == 0)
      now = place{std::max(-*constant, held->second.modulus),
                  -*constant >= held->second.modulus ? 0 : held->second.remainder & *constant};
    else if (name == "addq" || name == "subq")  // of an index, or of what alloca takes in steps of 16
      now = place{std::min<std::int64_t>(held->second.modulus, 16), held->second.remainder};
  } else if (o.size() == 2 && name == "addq") {
    if (const auto from = general_register(o[0]); from && known.contains(*from)) {
      const place& added = known.at(*from);
      now = place{std::min<std::int64_t>(added.modulus, 16), added.remainder};
    }
  }
  if (o.size() == 2 && name == "movq") {
    if (const auto from = known.find(o[0]); from != known.end()) now = from->second;  // a register, or a spilled one
  }
  if (name == "leaq") now = address(o.at(0), known);
  if (now)
    known.insert_or_assign(*to, *now);
  else if (*to != "%rsp")
    known.erase(*to);
  else
    known.insert_or_assign("%rsp", place{16, 0});  // restored from where it was kept
}

/// One function: instructions, labels before them, and labels that are named in its tables.
struct function {
  std::string name;
  std::vector<instruction> instructions;
  std::map<std::string, std::size_t> labels;
};

/// Prints what is wrong with a function; how much that is.
int check(const function& f, const std::set<std::string>& in_tables) {
  if (f.instructions.empty()) return 0;
  std::vector<std::optional<state>> before(f.instructions.size());
  std::vector<std::size_t> waiting;
  const auto reach = [&](std::size_t at, const state& known) {
    if (at >= before.size()) return;
    if (!before[at]) {
      before[at] = known;
      waiting.push_back(at);
    } else if (merge(*before[at], known)) {
      waiting.push_back(at);
    }
  };
  const bool cold = f.name.find(".cold") != std::string::npos;
  reach(0, {{"%rsp", {16, cold ? 0 : 8}}});
  while (!waiting.empty()) {
    const std::size_t at = waiting.back();
    waiting.pop_back();
    const instruction& i = f.instructions[at];
    state known = *before[at];
    step(i, known);
    const bool call = i.name == "call", jump = i.name.starts_with("j") && !i.operands.empty();
    const bool elsewhere = jump && i.operands[0].starts_with("*");
    if (call || elsewhere)  // an exception lands, or a switch goes, where a table says
      for (const auto& [label, where] : f.labels)
        if (in_tables.contains(label)) reach(where, known);
    if (jump && !elsewhere)
      if (const auto label = f.labels.find(i.operands[0]); label != f.labels.end()) reach(label->second, known);
    if (i.name != "jmp" && i.name != "ret" && i.name != "ud2") reach(at + 1, known);
  }
  int wrong = 0;
  for (std::size_t at = 0; at < before.size(); ++at) {
    if (!before[at]) continue;
    const instruction& i = f.instructions[at];
    const std::int64_t asked = alignment_asked(i);
    if (asked == 1) continue;
    for (const std::string& operand : i.operands) {
      if (!is_memory(operand)) continue;
      const auto where = address(operand, *before[at]);
      if (!where || (where->modulus >= asked && where->remainder % asked == 0)) continue;
      std::cout << f.name << "\n  line " << i.line << ':' << i.text << " is " << where->remainder << " modulo "
                << where->modulus << '\n';
      ++wrong;
    }
  }
  return wrong;
}

}  // namespace

int main() {
  std::vector<function> functions;
  std::set<std::string> in_tables;
  std::string line, named;
  bool inside = false;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#') continue;
    if (line[first] == '.' && first > 0) {
      if (line.find("@function") != std::string::npos) {
        const std::size_t from = line.find_first_of(" \t", first) + 1;
        named = line.substr(from, line.find(',') - from);
      }
      for (const char* table : {".long\t", ".quad\t", ".uleb128 "})
        if (const std::size_t at = line.find(table); at != std::string::npos) {
          const std::size_t from = at + std::string(table).size();
          std::string label = line.substr(from, line.find_first_of("-+ \t", from) - from);
          if (!label.starts_with(".LEH")) in_tables.insert(std::move(label));  // those are the calls, not the landings
        }
      continue;
    }
    if (first == 0 && line.back() == ':') {
      const std::string label = line.substr(0, line.size() - 1);
      if (label == named) {
        functions.push_back({label, {}, {}});
        inside = true;
      } else if (inside) {
        functions.back().labels[label] = functions.back().instructions.size();
      }
      continue;
    }
    if (inside && first > 0) functions.back().instructions.push_back(parse(line, number));
  }
  int wrong = 0;
  std::size_t instructions = 0;
  for (const function& f : functions) {
    wrong += check(f, in_tables);
    instructions += f.instructions.size();
  }
  if (instructions == 0) {
    std::cerr << "stack_accesses: there are no functions in this\n";
    return 2;
  }
  std::cout << functions.size() << " functions of " << instructions << " instructions, " << wrong
            << " aligned accesses to unaligned places of the stack\n";
  return wrong > 0;
}
