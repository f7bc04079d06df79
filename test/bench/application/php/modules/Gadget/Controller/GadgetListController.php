<?php

declare(strict_types=1);

namespace App\Gadget\Controller;

use App\Gadget\Input\ListGadgets;
use App\Gadget\Service\GadgetList;
use App\Kernel\Allowed;
use App\Kernel\Route;
use App\Kernel\Validator;

final class GadgetListController
{
    public function __construct(private readonly Validator $validator, private readonly GadgetList $list)
    {
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('GET', '/gadget')]
    #[Allowed('gadget.list')]
    public function first(array $body): array
    {
        return $this->list->page(new ListGadgets(1, []));
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('POST', '/gadget/list')]
    #[Allowed('gadget.list')]
    public function page(array $body): array
    {
        return $this->list->page($this->validator->read(ListGadgets::class, $body));
    }
}
