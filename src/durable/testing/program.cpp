#include "durable/testing/program.h"

#include <algorithm>

#include "base/random.h"

namespace slipway::durable::testing {
namespace {

constexpr std::uint64_t kItemsMax = 12;

Does choose_what(base::Random& choice, bool may_have_children) {
  static constexpr Does kAlone[] = {Does::compute,   Does::make,      Does::make,      Does::make_hasty,
                                    Does::make_beat, Does::make_each, Does::make_each, Does::count,
                                    Does::count,     Does::sleep,     Does::poll,      Does::choose,
                                    Does::values,    Does::signals,   Does::signals,   Does::await_signal_in_vain};
  static constexpr Does kWithChildren[] = {Does::child, Does::child_aside, Does::child_detached, Does::children};
  if (may_have_children && choice.below(3) == 0) return kWithChildren[choice.below(std::size(kWithChildren))];
  return kAlone[choice.below(std::size(kAlone))];
}

ProgramInput make_child(base::Random& choice, const ProgramInput& parent) {
  return {.seed = std::int64_t(choice.below(1'000'000)),
          .length = std::int64_t(choice.below(4)),
          .depth = parent.depth - 1,
          .rounds = std::int64_t(1 + choice.below(8) / 7)};
}

}  // namespace

std::vector<Act> plan(const ProgramInput& input) {
  base::SeededRandom choice{std::uint64_t(input.seed)};
  std::vector<Act> acts;
  for (std::int64_t i = 0; i < input.length; ++i) {
    Act act{.does = choose_what(choice, input.depth > 0), .i = i + 100 * input.rounds};
    act.fails = act.does == Does::make && choice.below(12) == 0;
    act.delay = base::Duration(std::int64_t(choice.below(3) == 0 ? 60'000 : choice.below(200)));
    act.width = std::int64_t(1 + choice.below(5));
    act.fails_fast = choice.below(3) == 0;
    act.signals = std::int64_t(1 + choice.below(3));
    if (act.does == Does::make_each) {
      const bool sound = choice.below(3) != 0;
      for (auto left = choice.below(kItemsMax); left > 0; --left) act.refused.push_back(!sound && choice.below(6) == 0);
    }
    if (act.does == Does::child || act.does == Does::child_aside || act.does == Does::child_detached)
      act.children.push_back(make_child(choice, input));
    if (act.does == Does::children)
      for (auto left = choice.below(4); left > 0; --left) act.children.push_back(make_child(choice, input));
    acts.push_back(std::move(act));
  }
  return acts;
}

ProgramInput next_round(const ProgramInput& input, std::int64_t sum) {
  ProgramInput next = input;
  ++next.seed;
  --next.rounds;
  next.carried = sum;
  return next;
}

Expected expected(const ProgramInput& input) {
  Expected result{.fails = false, .sum = input.carried};
  for (const auto& act : plan(input)) {
    switch (act.does) {
      case Does::compute:
        result.sum += act.i;
        break;
      case Does::make:
        result.fails |= act.fails;
        ++result.sum;
        break;
      case Does::make_hasty:
      case Does::make_beat:
      case Does::count:
        ++result.sum;
        break;
      case Does::make_each:
        result.fails |= act.fails_fast && std::ranges::count(act.refused, true) > 0;
        result.sum += std::ranges::count(act.refused, false);
        break;
      case Does::signals:
        result.sum += act.signals;
        break;
      case Does::child:
      case Does::child_aside: {
        const auto child = expected(act.children[0]);
        result.fails |= child.fails;
        result.sum += child.sum;
        break;
      }
      case Does::children:
        for (const auto& input_of_child : act.children) {
          const auto child = expected(input_of_child);
          result.fails |= child.fails && act.fails_fast;
          if (!child.fails) result.sum += child.sum;
        }
        break;
      case Does::child_detached:
      case Does::sleep:
      case Does::poll:
      case Does::choose:
      case Does::values:
      case Does::await_signal_in_vain:
        break;
    }
  }
  if (result.fails || input.rounds <= 1) return result;
  return expected(next_round(input, result.sum));
}

}  // namespace slipway::durable::testing
