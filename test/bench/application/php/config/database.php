<?php

declare(strict_types=1);

return ['database' => ['dsn' => 'sqlite:' . dirname(__DIR__, 2) . '/data/shop.sqlite']];
