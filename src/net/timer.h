#pragma once
// The one timer type of this room: monotonic, on an IoContext.

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>

#include "net/asio.h"

namespace slipway::net {

using SteadyClock = std::chrono::steady_clock;
using Timer = boost::asio::basic_waitable_timer<SteadyClock, boost::asio::wait_traits<SteadyClock>, Executor>;

}  // namespace slipway::net
