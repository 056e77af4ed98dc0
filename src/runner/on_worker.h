#pragma once
// A blocking piece of work, and what follows it on the loop.

#include <expected>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/error.h"
#include "base/executor.h"

namespace slipway::runner {

// `then` gets an expected with what `work` gave, or threw, on a later turn of the loop. The loop must outlive the work.
template <class Work, class Then>
void run_on_worker(base::Workers& workers, base::EventLoop& loop, Work work, Then then) {
  using Result = std::invoke_result_t<Work&>;
  workers.run([&loop, work = std::move(work), then = std::move(then)]() mutable {
    std::optional<std::expected<Result, base::Error>> result;
    try {
      if constexpr (std::is_void_v<Result>) {
        work();
        result.emplace();
      } else {
        result.emplace(work());
      }
    } catch (...) {
      result.emplace(std::unexpected(base::as_error(std::current_exception())));
    }
    loop.post([then = std::move(then), result = std::move(*result)]() mutable { then(std::move(result)); });
  });
}

}  // namespace slipway::runner
