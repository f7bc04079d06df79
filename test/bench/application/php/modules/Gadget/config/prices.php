<?php

declare(strict_types=1);

return ['gadget' => ['vat_percent' => 20, 'discounts' => true]];
