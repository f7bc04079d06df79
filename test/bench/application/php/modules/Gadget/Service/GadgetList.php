<?php

declare(strict_types=1);

namespace App\Gadget\Service;

use App\Gadget\Entity\Gadget;
use App\Gadget\Input\ListGadgets;
use App\Gadget\Repository\Gadgets;
use App\Kernel\Setting;
use App\Kernel\Shapes;
use App\Kernel\Translations;

final class GadgetList
{
    public function __construct(
        private readonly Gadgets $gadgets,
        private readonly Shapes $shapes,
        private readonly Translations $translations,
        #[Setting('gadget.page_size')]
        private readonly int $pageSize,
        #[Setting('gadget.language')]
        private readonly string $language,
    ) {
    }

    /** @return array{title: string, gadgets: list<array<string, mixed>>} */
    public function page(ListGadgets $wanted): array
    {
        $gadgets = $this->gadgets->page($wanted->page, $this->pageSize);

        return [
            'title' => $this->translations->text($this->language, 'gadget.list.title', []),
            'gadgets' => array_map(fn (Gadget $gadget): array => $this->shapes->write($gadget), $gadgets),
        ];
    }
}
