#pragma once
// The order of a session (protocol.h), for either end of it: what may be asked and said next. One for each session; not
// thread-safe.

#include <string_view>

#include "provisioner/protocol.h"

namespace slipway::provisioner {

class SessionOrder {
 public:
  // What to do with a request that may come now.
  enum class Verdict {
    carry_out,
    ignore,  // a Cancel while nothing is under way: its request has just ended
  };
  // Throws PROTOCOL_ERROR for what does not fit.
  Verdict on_request(const Request& request);
  // Throws PROTOCOL_ERROR for what does not fit. A completion ends the request under way.
  void on_message(const Message& message);

  bool greeted() const { return greeted_; }
  bool is_busy() const { return under_way_ != Work::none; }

 private:
  enum class Work { none, parse, plan, apply };
  void begin(Work work, std::string_view name);
  void complete(Work work, std::string_view name);

  bool greeted_ = false;
  bool configured_ = false;
  bool planned_ = false;
  Work under_way_ = Work::none;
};

base::Error protocol_error(std::string what);

// An error as a completion carries it.
Problem to_problem(const base::Error& error);

}  // namespace slipway::provisioner
