// The ZeroMQ options that all sockets share.
#pragma once

#include <string_view>
#include <zmq.hpp>

#include "juxmem/env/real_env.h"

namespace juxmem {

void set_common_options(zmq::socket_t& socket, const RealEnvOptions& options);

// Called before the socket is bound or connected to `address`: IPv6 only where it is written so, because an IPv6 socket
// names IPv4 addresses in a form that IPv4 peers cannot dial.
void set_address_family(zmq::socket_t& socket, std::string_view address);

}  // namespace juxmem
