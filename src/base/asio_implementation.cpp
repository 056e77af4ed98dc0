// Asio's function bodies, compiled once here instead of in every file that includes it (see
// BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
