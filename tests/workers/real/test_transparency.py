"""What `tests.real.test_transparency` asks of each server, over two workers. What they list is the same at each."""

from tests.real import test_transparency as alone

pytestmark = alone.pytestmark
test_the_one_endpoint = alone.test_the_one_endpoint_answers_as_the_server_does
test_the_servers_own_endpoint = alone.test_the_servers_own_endpoint_answers_as_the_server_does
