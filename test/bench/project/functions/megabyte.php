<?php

declare(strict_types=1);

use FpmGateway\Binary;

return static fn (): Binary => new Binary(str_repeat('0123456789abcdef', 65_536));
